//! The crates' sources as trees of modules, and what a path in them means.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Item, UseTree, Visibility};

/// A module by the names from the crate's root to it; the root is the empty list.
pub(crate) type ModulePath = Vec<String>;

/// A library crate of this workspace.
pub(crate) struct Crate {
    /// The package's name, such as `wattlab-meter`.
    pub(crate) name: String,
    /// The package's folder.
    pub(crate) folder: PathBuf,
    pub(crate) modules: BTreeMap<ModulePath, Module>,
}

/// A module without what is compiled for tests only.
pub(crate) struct Module {
    pub(crate) file: PathBuf,
    pub(crate) items: Vec<Item>,
    uses: Vec<Use>,
}

/// One name that a `use` brings into a module.
struct Use {
    visibility: Visibility,
    path: Vec<String>,
    /// The name in this module; `None` for all names of the path (`*`).
    name: Option<String>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Module(ModulePath),
    /// An item by its module and name.
    Item(ModulePath, String),
    /// Something of another crate, by its path.
    External(Vec<String>),
}

/// The root folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every library in `crates/`.
pub(crate) fn crates() -> Vec<Crate> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("src/lib.rs").exists());
    folders.sort();
    assert!(folders.len() >= 7, "the crates were not found");
    folders.into_iter().map(Crate::read).collect()
}

impl Crate {
    fn read(folder: PathBuf) -> Self {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let name = manifest
            .lines()
            .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
            .unwrap()
            .to_owned();
        let mut krate = Self { name, folder: folder.clone(), modules: BTreeMap::new() };
        krate.read_file(Vec::new(), &folder.join("src/lib.rs"), &folder.join("src"));
        krate
    }

    /// Reads a file and those of its modules; `below` is the folder of its child modules.
    fn read_file(&mut self, path: ModulePath, file: &Path, below: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|_| panic!("{}", file.display()));
        let syntax =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read_items(path, file, below, syntax.items);
    }

    fn read_items(&mut self, path: ModulePath, file: &Path, below: &Path, items: Vec<Item>) {
        let mut module = Module { file: file.to_owned(), items: Vec::new(), uses: Vec::new() };
        for item in items {
            if is_test(attributes(&item)) {
                continue;
            }
            if let Item::Use(item) = &item {
                names(&item.tree, &mut Vec::new(), &item.vis, &mut module.uses);
            }
            if let Item::Mod(child) = &item {
                let name = child.ident.to_string();
                let child_path: ModulePath = path.iter().cloned().chain([name.clone()]).collect();
                let child_below = below.join(&name);
                if let Some((_, items)) = &child.content {
                    self.read_items(child_path, file, &child_below, items.clone());
                } else {
                    let beside = below.join(format!("{name}.rs"));
                    let inside = child_below.join("mod.rs");
                    let child_file = if beside.exists() { beside } else { inside };
                    self.read_file(child_path, &child_file, &child_below);
                }
            }
            module.items.push(item);
        }
        self.modules.insert(path, module);
    }

    /// What a path that is written in module `from` leads to.
    pub(crate) fn resolve(&self, from: &[String], path: &[String]) -> Target {
        self.find(from, path, &mut BTreeSet::new())
            .unwrap_or_else(|| Target::External(path.to_vec()))
    }

    /// As [`resolve`](Self::resolve), with the lookups that are under way: a lookup that asks for itself,
    /// as between modules that import all of one another, finds nothing.
    fn find(
        &self,
        from: &[String],
        path: &[String],
        under_way: &mut BTreeSet<(ModulePath, Vec<String>)>,
    ) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        if !under_way.insert((from.to_vec(), path.to_vec())) {
            return None;
        }
        let found = match first.as_str() {
            "crate" => Some(Target::Module(Vec::new())),
            "self" => Some(Target::Module(from.to_vec())),
            "super" => Some(Target::Module(from.split_last()?.1.to_vec())),
            name => self.lookup(from, name, under_way),
        };
        let target = match found {
            Some(Target::Module(module)) if !rest.is_empty() => {
                // In a path's middle `super` means the parent of what was found so far.
                self.find(&module, rest, under_way)
            }
            Some(Target::External(mut outside)) => {
                outside.extend(rest.iter().cloned());
                Some(Target::External(outside))
            }
            other => other,
        };
        under_way.remove(&(from.to_vec(), path.to_vec()));
        target
    }

    /// What a name means in a module: a child module, an item, or what a `use` brought in.
    fn lookup(
        &self,
        module: &[String],
        name: &str,
        under_way: &mut BTreeSet<(ModulePath, Vec<String>)>,
    ) -> Option<Target> {
        let child: ModulePath = module.iter().cloned().chain([name.to_owned()]).collect();
        if self.modules.contains_key(&child) {
            return Some(Target::Module(child));
        }
        let content = self.modules.get(module)?;
        if content.items.iter().any(|item| item_name(item).as_deref() == Some(name)) {
            return Some(Target::Item(module.to_vec(), name.to_owned()));
        }
        for import in &content.uses {
            if import.name.as_deref() == Some(name) {
                let found = self.find(module, &import.path, under_way);
                return Some(found.unwrap_or_else(|| Target::External(import.path.clone())));
            }
        }
        let through_glob = content.uses.iter().filter(|import| import.name.is_none()).find_map(
            |import| match self.find(module, &import.path, under_way)? {
                Target::Module(other) => self.find(&other, &[name.to_owned()], under_way),
                _ => None,
            },
        );
        through_glob.or_else(|| self.through_macro(module, name))
    }

    /// The item of a child module that a macro of the parent names.
    fn through_macro(&self, module: &[String], name: &str) -> Option<Target> {
        self.listed(module).find(|(listed, _)| listed == name).map(|(_, target)| target)
    }

    /// The items of child modules that macro calls of a module list as `child::Item`: such a macro re-exports
    /// each item.
    fn listed(&self, module: &[String]) -> impl Iterator<Item = (String, Target)> {
        let calls = self.modules[module].items.iter().filter_map(|item| match item {
            Item::Macro(item) if item.ident.is_none() => Some(paths(item.mac.tokens.clone())),
            _ => None,
        });
        calls.flatten().filter_map(|path| {
            let [child, name] = &path[..] else { return None };
            let child: ModulePath = module.iter().cloned().chain([child.clone()]).collect();
            let items = &self.modules.get(&child)?.items;
            let public = items.iter().any(|item| {
                item_name(item).as_ref() == Some(name) && visibility(item).is_some_and(is_public)
            });
            public.then(|| (name.clone(), Target::Item(child, name.clone())))
        })
    }

    /// The public names of a module and what they lead to.
    pub(crate) fn exports(&self, module: &[String]) -> BTreeMap<String, Target> {
        let mut exports = BTreeMap::new();
        let content = &self.modules[module];
        for item in &content.items {
            let (Some(name), Some(visibility)) = (item_name(item), visibility(item)) else {
                continue;
            };
            if is_public(visibility) && !is_hidden(attributes(item)) {
                exports.insert(name.clone(), self.resolve(module, &[name]));
            }
        }
        exports.extend(self.listed(module));
        for import in content.uses.iter().filter(|import| is_public(&import.visibility)) {
            let target = self.resolve(module, &import.path);
            match (&import.name, target) {
                (Some(name), target) => {
                    exports.insert(name.clone(), target);
                }
                (None, Target::Module(other)) => exports.extend(self.exports(&other)),
                (None, Target::External(mut path)) => {
                    path.push("*".to_owned());
                    exports.insert(path.join("::"), Target::External(path));
                }
                (None, Target::Item(..)) => {}
            }
        }
        exports
    }

    /// The item of this name that is defined in a module.
    pub(crate) fn item(&self, module: &[String], name: &str) -> &Item {
        let items = &self.modules[module].items;
        items.iter().find(|item| item_name(item).as_deref() == Some(name)).unwrap()
    }

    /// The paths that a module imports for its own needs, but for those that end in `*`.
    pub(crate) fn own_imports(&self, module: &[String]) -> impl Iterator<Item = &[String]> {
        self.own(module).filter(|import| import.name.is_some()).map(|import| &import.path[..])
    }

    /// The paths all of whose names a module imports for its own needs.
    pub(crate) fn own_globs(&self, module: &[String]) -> impl Iterator<Item = &[String]> {
        self.own(module).filter(|import| import.name.is_none()).map(|import| &import.path[..])
    }

    fn own(&self, module: &[String]) -> impl Iterator<Item = &Use> {
        let uses = &self.modules[module].uses;
        uses.iter().filter(|import| matches!(import.visibility, Visibility::Inherited))
    }
}

/// The names that a `use` tree brings in.
fn names(tree: &UseTree, prefix: &mut Vec<String>, visibility: &Visibility, found: &mut Vec<Use>) {
    let leaf = |name: &syn::Ident, rename: Option<&syn::Ident>| {
        let mut path = prefix.clone();
        // `use a::{self}` is `use a`.
        if name != "self" || path.is_empty() {
            path.push(name.to_string());
        }
        let name = rename.map_or_else(|| path.last().unwrap().clone(), ToString::to_string);
        Use { visibility: visibility.clone(), path, name: Some(name) }
    };
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            names(&path.tree, prefix, visibility, found);
            prefix.pop();
        }
        UseTree::Name(name) => found.push(leaf(&name.ident, None)),
        UseTree::Rename(name) => found.push(leaf(&name.ident, Some(&name.rename))),
        UseTree::Glob(_) => {
            found.push(Use { visibility: visibility.clone(), path: prefix.clone(), name: None })
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                names(tree, prefix, visibility, found);
            }
        }
    }
}

/// Whether an item is compiled for tests only.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

pub(crate) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("hidden"))
    })
}

/// The name that an item defines; `None` for uses, modules and implementations.
pub(crate) fn item_name(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Macro(item) => item.ident.as_ref()?.to_string(),
        Item::Mod(item) => item.ident.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Union(item) => item.ident.to_string(),
        _ => return None,
    })
}

fn visibility(item: &Item) -> Option<&Visibility> {
    Some(match item {
        Item::Const(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Mod(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Struct(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Union(item) => &item.vis,
        _ => return None,
    })
}

pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The paths of at least two names that tokens contain, macros' arguments included.
pub(crate) fn paths(tokens: TokenStream) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut current: Vec<String> = Vec::new();
    let mut colons = 0;
    let mut after_dot = false;
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                if colons != 2 {
                    end(&mut current, &mut found);
                    if after_dot {
                        current.clear();
                    }
                }
                current.push(name.to_string());
                if after_dot && current.len() == 1 {
                    // A method or field.
                    current.clear();
                }
                colons = 0;
                after_dot = false;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            other => {
                end(&mut current, &mut found);
                colons = 0;
                after_dot = matches!(&other, TokenTree::Punct(punct) if punct.as_char() == '.');
                if let TokenTree::Group(group) = other {
                    found.extend(paths(group.stream()));
                }
            }
        }
    }
    end(&mut current, &mut found);
    found
}

fn end(current: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    if current.len() > 1 {
        found.push(std::mem::take(current));
    }
    current.clear();
}
