//! Images of one's own: a folder for each class, or a CSV file of paths and labels.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use units::limits;

use super::{error::DataError, images::LabeledImages};
use units::{open_regular, read_at_most};

/// Ends of names that torchvision's `ImageFolder` takes for images. Those that are neither JPEG nor PNG are
/// listed as well, so that reading them says why they are not usable instead of leaving them out.
const EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp"];
/// Folders within the folder of a class.
const DEPTH: u32 = 16;
/// Bytes of a CSV file, about two million lines.
const CSV_BYTES: u64 = 128 << 20;
/// First lines of a CSV file that are names of columns.
const HEADERS: [[&str; 2]; 6] = [
    ["path", "label"],
    ["path", "class"],
    ["file", "label"],
    ["filename", "label"],
    ["image", "label"],
    ["image", "class"],
];

/// Images with the names of their classes.
pub(super) type Listing = (Vec<String>, LabeledImages);

fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let wrong = |source| DataError::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<PathBuf> = entries.map_err(wrong)?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    Ok(paths)
}

/// The folders in a folder, sorted by name; those whose names begin with a dot are not classes.
pub(super) fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let hidden =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
    let mut all = entries(folder)?;
    all.retain(|path| path.is_dir() && !hidden(path));
    Ok(all)
}

/// A folder with one folder for each class. As in torchvision's `ImageFolder`, labels are the positions of
/// the sorted names, links are followed, and images may lie in further folders. `classes` are those of
/// another split, which this one must have as well.
pub(super) fn image_folder(
    folder: &Path,
    classes: Option<&[String]>,
) -> Result<Listing, DataError> {
    let wrong = |problem| DataError::Own { path: folder.to_owned(), problem };
    let folders = subfolders(folder)?;
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<String> = folders.iter().map(name).collect();
    if names.is_empty() {
        return Err(wrong(
            "it has no folders; put the images of each class into a folder".to_owned(),
        ));
    }
    limits::CLASSES.check(names.len()).map_err(|error| wrong(error.to_string()))?;
    if let Some(classes) = classes.filter(|classes| **classes != *names) {
        return Err(wrong(format!(
            "its classes are {}, and those of the training images {}; name the folders alike",
            quoted(&names),
            quoted(classes)
        )));
    }
    let (mut files, mut labels) = (Vec::new(), Vec::new());
    for (label, folder) in folders.iter().enumerate() {
        let before = files.len();
        collect(folder, DEPTH, &mut files)?;
        if files.len() == before {
            let problem = "it has no images (.jpg, .jpeg, .png); add some, or remove the folder";
            return Err(DataError::Own { path: folder.clone(), problem: problem.to_owned() });
        }
        labels.resize(files.len(), label as u32);
    }
    limits::IMAGES.check(files.len()).map_err(|error| wrong(error.to_string()))?;
    Ok((names, LabeledImages::of_files(files, labels)))
}

/// The beginning of a list of names.
fn quoted(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(5).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > 5 { ", …" } else { "" };
    shown.join(", ") + more
}

/// Appends the images below a folder: those of the folder itself by name, then those of each folder in it.
fn collect(folder: &Path, depth: u32, files: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let all = entries(folder)?;
    let image = |path: &&PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let extension = extension.unwrap_or_default().to_ascii_lowercase();
        EXTENSIONS.contains(&&*extension) && path.is_file()
    };
    files.extend(all.iter().filter(image).cloned());
    for inside in all.iter().filter(|path| path.is_dir()) {
        // A link to a folder above would otherwise be followed without end.
        let deeper = depth.checked_sub(1).ok_or_else(|| DataError::Own {
            path: inside.clone(),
            problem: format!("its class has more than {DEPTH} folders within folders"),
        })?;
        collect(inside, deeper, files)?;
    }
    Ok(())
}

/// A CSV file of two columns: the path of an image, relative to the file, and its label. Labels are numbers
/// from 0, or names, which are numbered in sorted order. A first line such as `path,label` is left out.
pub(super) fn csv_file(path: &Path) -> Result<Listing, DataError> {
    let own = |problem| DataError::Own { path: path.to_owned(), problem };
    let wrong = |source| DataError::Read { path: path.to_owned(), source };
    let text = open_regular(path).and_then(|file| read_at_most(file, CSV_BYTES)).map_err(wrong)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(&text[..]);
    let (mut files, mut names) = (Vec::new(), Vec::new());
    for (index, row) in reader.records().enumerate() {
        let row = row.map_err(|error| own(error.to_string()))?;
        let line = index + 1;
        if row.len() != 2 || row.iter().any(str::is_empty) {
            let text = format!("line {line} is not a path, a comma and a label");
            return Err(own(text));
        }
        let header =
            |names: &[&str; 2]| names.iter().zip(&row).all(|(a, b)| a.eq_ignore_ascii_case(b));
        if line == 1 && HEADERS.iter().any(header) {
            continue;
        }
        files.push(folder.join(&row[0]));
        names.push(row[1].to_owned());
    }
    limits::IMAGES.check(files.len()).map_err(|error| own(error.to_string()))?;
    let numbers: Option<Vec<u32>> = names.iter().map(|name| name.parse().ok()).collect();
    let (classes, labels) = match numbers {
        Some(labels) => {
            let classes = labels.iter().max().map_or(0, |label| u64::from(*label) + 1);
            limits::CLASSES.check(classes).map_err(|error| own(error.to_string()))?;
            ((0..classes).map(|label| label.to_string()).collect(), labels)
        }
        None => {
            let mut classes = names.clone();
            classes.sort();
            classes.dedup();
            let label = |name: &String| classes.binary_search(name).unwrap_or_default() as u32;
            let labels = names.iter().map(label).collect();
            (classes, labels)
        }
    };
    Ok((classes, LabeledImages::of_files(files, labels)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(text: &[u8]) -> Result<Listing, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        fs::write(&path, text).unwrap();
        csv_file(&path)
    }

    #[test]
    fn labels_are_numbers_or_sorted_names() {
        let (classes, images) = listed(b"path,label\na.png,2\n\"b,c.png\",0\n").unwrap();
        assert_eq!((classes.len(), images.labels()), (3, &[2, 0][..]));
        let (classes, images) = listed(b"a.png, dog\nb.png,cat\nc.png,dog").unwrap();
        assert_eq!(
            (classes, images.labels()),
            (vec!["cat".to_owned(), "dog".to_owned()], &[1, 0, 1][..])
        );
        for (text, expected) in [
            (&b"a.png,1\nb.png"[..], "line 2 is not a path, a comma and a label"),
            (b"", "number of images is 0"),
            (b"a.png,4294967295", "number of classes is 4294967296"),
            (b"a.png,\xff", "UTF-8"),
        ] {
            let error = listed(text).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("list.csv"), "{error}");
        }
    }

    #[test]
    fn a_folder_of_folders_has_sorted_classes() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2.jpg", "b/1.PNG", "a/x/3.jpeg", "a/notes.txt", ".cache/4.jpg", "a/0.png"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let (classes, images) = image_folder(folder.path(), None).unwrap();
        assert_eq!(classes, ["a", "b"]);
        assert_eq!(images.labels(), [0, 0, 1, 1]);
        let files =
            ["a/0.png", "a/x/3.jpeg", "b/1.PNG", "b/2.jpg"].map(|name| folder.path().join(name));
        assert_eq!(images.source(), &super::super::images::ImageSource::Files(files.to_vec()));
        let other = ["a".to_owned(), "c".to_owned()];
        let error = image_folder(folder.path(), Some(&other)).unwrap_err().to_string();
        assert!(error.contains("`b`") && error.contains("`c`"), "{error}");
        fs::create_dir(folder.path().join("c")).unwrap();
        let error = image_folder(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("no images"), "{error}");
        // A link to the folder itself ends with an error.
        std::os::unix::fs::symlink(folder.path(), folder.path().join("c/loop")).unwrap();
        let error = image_folder(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("folders within folders"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_causes_a_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(listed(&text));
        }
    }
}
