//! Where control groups are mounted.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The interface that a control group belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CgroupVersion {
    /// One hierarchy for each controller; CPU time is in `cpuacct.usage`.
    V1,
    /// One hierarchy for all; CPU time is in `cpu.stat`, with or without the controller `cpu`.
    V2,
}

/// The places where control groups are mounted that tell the CPU time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupMounts(Vec<Mount>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    folder: PathBuf,
    version: CgroupVersion,
    /// The part of the hierarchy that is visible there, in a container.
    root: PathBuf,
}

impl CgroupMounts {
    /// Those of this machine, from `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self::parse(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
    }

    /// Those below a folder that stands for `/sys`: `fs/cgroup` itself, and the folders of the
    /// controllers in it.
    #[must_use]
    pub fn below(sysfs: &Path) -> Self {
        let whole = sysfs.join("fs/cgroup");
        let names = ["", "unified", "cpuacct", "cpu,cpuacct", "cpuacct,cpu"];
        let folders =
            names.iter().map(|name| if name.is_empty() { whole.clone() } else { whole.join(name) });
        let version = |folder: &Path| {
            if folder.ends_with("cgroup") || folder.ends_with("unified") {
                CgroupVersion::V2
            } else {
                CgroupVersion::V1
            }
        };
        let mounts = folders.filter(|folder| folder.is_dir()).map(|folder| Mount {
            version: version(&folder),
            folder,
            root: PathBuf::from("/"),
        });
        Self(mounts.collect())
    }

    /// The mounted folders.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|mount| mount.folder.as_path())
    }

    /// The folder of a process's group of version 2, from the text of its `/proc/PID/cgroup`.
    pub(super) fn folder_of(&self, cgroup: &str) -> Option<PathBuf> {
        let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
        let mount = self.0.iter().find(|mount| mount.version == CgroupVersion::V2)?;
        // Without a namespace of its own, a container sees paths from the machine's root.
        let within = Path::new(path).strip_prefix(&mount.root).ok()?;
        Some(if within.as_os_str().is_empty() {
            mount.folder.clone()
        } else {
            mount.folder.join(within)
        })
    }

    fn parse(mountinfo: &str) -> Self {
        Self(mountinfo.lines().filter_map(Mount::parse).collect())
    }
}

impl Mount {
    /// A line such as `31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw`; `None` for mounts of
    /// anything else.
    fn parse(line: &str) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, folder) = (unescaped(place.next()?), unescaped(place.next()?));
        let mut kind = kind.split(' ');
        let version = match kind.next()? {
            "cgroup2" => CgroupVersion::V2,
            "cgroup" if kind.nth(1)?.split(',').any(|option| option == "cpuacct") => {
                CgroupVersion::V1
            }
            _ => return None,
        };
        Some(Self { folder, version, root })
    }
}

/// A path in which the kernel wrote spaces and the like as octal numbers: `\040`.
fn unescaped(path: &str) -> PathBuf {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    PathBuf::from(codes.iter().fold(path.to_owned(), |path, (code, text)| path.replace(code, text)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_mounts_of_one_hierarchy_and_of_many_are_found() {
        // Fedora 40; a hybrid machine with one mount for each controller; Docker on version 1,
        // without a namespace for control groups.
        let fedora =
            "28 22 0:25 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
        let hybrid = "33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n\
                      34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
                      41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw";
        let docker = "700 699 0:27 /docker/0123 /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup \
                      rw,cpu,cpuacct";
        let folders = |text: &str| -> Vec<String> {
            let mounts = CgroupMounts::parse(text);
            mounts.folders().map(|folder| folder.display().to_string()).collect()
        };
        assert_eq!(folders(fedora), ["/sys/fs/cgroup"]);
        assert_eq!(folders(hybrid), ["/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/uni fied"]);
        assert_eq!(folders(docker), ["/sys/fs/cgroup/cpu,cpuacct"]);
        let of = |mounts: &str, cgroup: &str| CgroupMounts::parse(mounts).folder_of(cgroup);
        let session = "0::/user.slice/user-1000.slice/session-3.scope\n";
        assert_eq!(
            of(fedora, session).unwrap(),
            Path::new("/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope")
        );
        assert_eq!(of(fedora, "0::/\n").unwrap(), Path::new("/sys/fs/cgroup"));
        assert_eq!(of(docker, "4:cpu,cpuacct:/docker/0123\n"), None);
        let inside = fedora.replace(" / ", " /docker/0123 ");
        assert_eq!(of(&inside, "0::/docker/0123/x\n").unwrap(), Path::new("/sys/fs/cgroup/x"));
        assert_eq!(of(&inside, "0::/elsewhere\n"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "\\PC{0,120}", line in "[0-9a-z:/, -]{0,120}") {
            let _ = CgroupMounts::parse(&text);
            let _ = CgroupMounts::parse(&line).folder_of(&text);
        }
    }
}
