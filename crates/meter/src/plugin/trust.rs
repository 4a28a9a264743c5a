//! Whether only trusted users can replace a plugin, whose code runs with the rights of this process.
//!
//! The rule is that of OpenSSH for the files that it trusts (`StrictModes` in sshd_config(5), and
//! `safe_path` in its misc.c), with the exception that Debian adds for private groups.

use std::{
    env, fmt, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Why others can replace a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustFault {
    /// It belongs to another user, given by number.
    Owner(u32),
    /// The members of its group, given by number, may write to it.
    GroupWritable(u32),
    /// Everybody may write to it.
    WorldWritable,
}

impl TrustFault {
    /// What is wrong with this file or folder, and what to do about it.
    pub(super) fn of(self, culprit: &Path) -> impl fmt::Display {
        let culprit = culprit.display();
        match self {
            Self::Owner(user) => format!(
                "`{culprit}` belongs to user {user}, expected root or the user who runs this \
                 program; copy the plugin to a folder of your own, or run `chown root {culprit}`"
            ),
            Self::GroupWritable(group) => format!(
                "the members of group {group} may write to `{culprit}`; run `chmod g-w {culprit}`"
            ),
            Self::WorldWritable => {
                format!("everybody may write to `{culprit}`; run `chmod go-w {culprit}`")
            }
        }
    }
}

/// Who may change a plugin.
pub(super) struct Trusted {
    /// Root, the user, and the owner of this program, who could as well replace the program.
    owners: Vec<u32>,
    /// The groups whose only member is one of them.
    groups: Vec<u32>,
}

impl Trusted {
    /// The trusted users of this process.
    pub(super) fn here() -> Self {
        let mut owners = vec![0, rustix::process::geteuid().as_raw()];
        owners.extend(env::current_exe().and_then(fs::metadata).map(|program| program.uid()).ok());
        let [users, groups] = ["/etc/passwd", "/etc/group"]
            .map(|path| fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned()));
        let (users, groups) = (users.unwrap_or_default(), groups.unwrap_or_default());
        let groups = owners.iter().filter_map(|user| private_group(*user, &users, &groups));
        Self { groups: groups.collect(), owners }
    }

    /// The first of the file and the folders above it that others can change. The path is canonical:
    /// absolute, and without symbolic links.
    ///
    /// # Errors
    ///
    /// If one of them cannot be looked at.
    pub(super) fn fault_of(&self, path: &Path) -> io::Result<Option<(PathBuf, TrustFault)>> {
        for place in path.ancestors() {
            let found = fs::metadata(place)?;
            // Nobody can replace the files of others in a sticky folder, such as `/tmp`.
            let sticky = found.is_dir() && found.mode() & 0o1000 != 0;
            if let Some(fault) = self.fault(found.uid(), found.gid(), found.mode(), sticky) {
                return Ok(Some((place.to_owned(), fault)));
            }
        }
        Ok(None)
    }

    fn fault(&self, user: u32, group: u32, mode: u32, sticky: bool) -> Option<TrustFault> {
        if !self.owners.contains(&user) {
            Some(TrustFault::Owner(user))
        } else if sticky {
            None
        } else if mode & 0o002 != 0 {
            Some(TrustFault::WorldWritable)
        } else if mode & 0o020 != 0 && !self.groups.contains(&group) {
            Some(TrustFault::GroupWritable(group))
        } else {
            None
        }
    }
}

/// The private group of a user other than root: it has the user's name and no other member. Ubuntu
/// and Fedora give one to each user, together with a umask that lets the group write.
///
/// `users` and `groups` are the texts of passwd(5) and group(5).
fn private_group(user: u32, users: &str, groups: &str) -> Option<u32> {
    let users: Vec<(&str, u32, u32)> = users
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            Some((*fields.first()?, fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
        })
        .collect();
    let (name, _, group) = *users.iter().find(|(_, number, _)| *number == user && user != 0)?;
    let shared = users.iter().any(|(_, number, main)| *main == group && *number != user);
    let private = groups.lines().any(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        fields.first() == Some(&name)
            && fields.get(2).and_then(|number| number.parse().ok()) == Some(group)
            && fields.get(3).is_none_or(|all| all.split(',').all(|one| [name, ""].contains(&one)))
    });
    (private && !shared).then_some(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/sh\n\
                         bob:x:1001:1001::/home/bob:/bin/sh\neve:x:1002:100::/home/eve:/bin/sh\n\
                         fay:x:1003:1003::/home/fay:/bin/sh\ngus:x:1004:1003::/home/gus:/bin/sh\n";
    const GROUPS: &str =
        "root:x:0:\nada:x:1000:\nbob:x:1001:bob,mallory\nusers:x:100:\nfay:x:1003:fay\n";

    #[test]
    fn a_group_is_private_if_its_only_member_has_its_name() {
        let of = |user| private_group(user, USERS, GROUPS);
        assert_eq!(of(1000), Some(1000));
        assert_eq!(of(0), None, "root's group may have members that sudo does not know");
        assert_eq!(of(1001), None, "mallory is a member");
        assert_eq!(of(1002), None, "everybody is in `users`");
        assert_eq!(of(1003), None, "it is the main group of gus, too");
        assert_eq!(of(7), None, "a user of a directory service");
        assert_eq!(private_group(1000, "", ""), None);
        assert_eq!(private_group(1000, "ada:x:1000\n:::\n", GROUPS), None);
    }

    #[test]
    fn owner_and_mode_decide() {
        let trusted = Trusted { owners: vec![0, 1000], groups: vec![1000] };
        let cases = [
            (0, 0, 0o100_755, false, None),
            (1000, 1000, 0o100_775, false, None),
            (1000, 100, 0o100_775, false, Some(TrustFault::GroupWritable(100))),
            (0, 0, 0o100_664, false, Some(TrustFault::GroupWritable(0))),
            (0, 0, 0o100_777, false, Some(TrustFault::WorldWritable)),
            (0, 0, 0o041_777, true, None),
            // The owner of a sticky folder can replace everything in it.
            (33, 0, 0o041_777, true, Some(TrustFault::Owner(33))),
            (33, 0, 0o100_555, false, Some(TrustFault::Owner(33))),
        ];
        for (user, group, mode, sticky, expected) in cases {
            let found = trusted.fault(user, group, mode, sticky);
            assert_eq!(found, expected, "{user} {group} {mode:o}");
        }
    }
}
