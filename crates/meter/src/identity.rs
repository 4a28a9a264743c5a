//! When two names of a device mean the same one: drivers, plugins and tools spell a PCI address
//! differently.

use std::borrow::Cow;

/// The one spelling of a device's identity. A PCI address, with or without domain, with four or eight
/// digits of domain (as NVML writes it), in upper or lower case, and with or without a prefix such as
/// `pci/`, becomes `pci/0000:05:00.0`. Everything else stays as it is.
pub(crate) fn canonical(identity: &str) -> Cow<'_, str> {
    let address = ["pci/", "pci:", "pci@", "pci-"].iter().find_map(|prefix| {
        let start = identity.get(..prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then(|| &identity[prefix.len()..])
    });
    match pci(address.unwrap_or(identity)) {
        Some([domain, bus, device, function]) => {
            Cow::Owned(format!("pci/{domain:04x}:{bus:02x}:{device:02x}.{function:x}"))
        }
        None => Cow::Borrowed(identity),
    }
}

/// Whether two identities are known and mean the same device.
pub(crate) fn same(a: Option<&str>, b: Option<&str>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a == b || canonical(a) == canonical(b))
}

/// Domain, bus, device and function of a PCI address such as `0000:05:00.0` or `05:00.0`.
fn pci(address: &str) -> Option<[u32; 4]> {
    let hexadecimal = |text: &str, longest: usize| {
        let digits = (1..=longest).contains(&text.len())
            && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        digits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
    };
    let (place, function) = address.rsplit_once('.')?;
    let (rest, device) = place.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
    let address = [
        hexadecimal(domain, 8)?,
        hexadecimal(bus, 2)?,
        hexadecimal(device, 2)?,
        hexadecimal(function, 1)?,
    ];
    (address[2] < 32 && address[3] < 8).then_some(address)
}

/// Whether a folder's name is a PCI address.
pub(crate) fn is_pci(name: &str) -> bool {
    pci(name).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_of_a_pci_address_is_one_device() {
        for spelling in [
            "0000:05:00.0",
            "pci/0000:05:00.0",
            "PCI:0000:05:00.0",
            "00000000:05:00.0",
            "05:00.0",
            "pci@0000:05:00.0",
        ] {
            assert_eq!(canonical(spelling), "pci/0000:05:00.0", "{spelling}");
        }
        assert_eq!(canonical("0000:C3:1F.7"), "pci/0000:c3:1f.7");
    }

    #[test]
    fn what_is_no_pci_address_stays_as_it_is() {
        for name in [
            "rapl/package-0",
            "GPU-5a5d",
            "1-0040",
            "ACPI000D:00",
            "05:20.0",
            "05:00.8",
            "",
            "é:0.0",
        ] {
            assert_eq!(canonical(name), name);
        }
        assert!(!same(None, None) && !same(Some("GPU-1"), None) && same(Some("x"), Some("x")));
    }

    proptest! {
        #[test]
        fn a_spelling_is_final(text in "(pci/)?[0-9a-fA-F:./é]{0,18}") {
            let once = canonical(&text).into_owned();
            prop_assert_eq!(canonical(&once), once.as_str());
        }
    }
}
