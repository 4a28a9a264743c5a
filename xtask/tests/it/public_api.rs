//! `crates/*/public-api.txt` lists what each library offers, an item a line, so that a change of an interface
//! shows in a diff. `cargo xtask public-api --update` writes the files.

use std::{collections::BTreeSet, env, fs};

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, TraitItem, Type};

use crate::source::{Crate, ModulePath, Target, attributes, crates, is_public};

#[test]
fn the_public_items_of_each_library_are_those_in_its_list() {
    let update = env::var_os("UPDATE_PUBLIC_API").is_some();
    let mut differences = String::new();
    for krate in crates() {
        let listed = listing(&krate);
        let file = krate.folder.join("public-api.txt");
        if update {
            fs::write(&file, listed).unwrap();
            continue;
        }
        let before = fs::read_to_string(&file).unwrap_or_default();
        if before == listed {
            continue;
        }
        let old: BTreeSet<&str> = before.lines().collect();
        let new: BTreeSet<&str> = listed.lines().collect();
        differences.push_str(&format!("{}\n", file.display()));
        for line in old.difference(&new) {
            differences.push_str(&format!("  - {line}\n"));
        }
        for line in new.difference(&old) {
            differences.push_str(&format!("  + {line}\n"));
        }
    }
    assert!(
        differences.is_empty(),
        "public items have changed; if that is meant, run `cargo xtask public-api --update` and say so in \
         CHANGELOG.md\n{differences}"
    );
}

/// All public items of a crate, sorted by path.
fn listing(krate: &Crate) -> String {
    let root = krate.name.replace('-', "_");
    let mut lister = Lister { krate, seen: BTreeSet::new(), lines: Vec::new() };
    lister.module(&Vec::new(), &root);
    lister.macros(&root);
    lister.lines.sort();
    lister.lines.dedup();
    let lines: Vec<String> = lister.lines.into_iter().map(|(_, line)| line).collect();
    lines.join("\n") + "\n"
}

struct Lister<'a> {
    krate: &'a Crate,
    /// What has been listed under its shortest path.
    seen: BTreeSet<Target>,
    /// Lines with the path that they are sorted by.
    lines: Vec<(String, String)>,
}

impl Lister<'_> {
    fn module(&mut self, module: &ModulePath, public: &str) {
        let exports = self.krate.exports(module);
        let mut children = Vec::new();
        for (name, target) in exports {
            let path = format!("{public}::{name}");
            match &target {
                Target::Module(child) => children.push((child.clone(), path, target)),
                Target::External(outside) => {
                    let outside = outside.join("::");
                    let path = path.strip_suffix("::*").map_or(path.clone(), ToOwned::to_owned);
                    self.line(&path, format!("pub use {public}::{name} = {outside}"));
                }
                Target::Item(defined_in, item) => {
                    if self.seen.insert(target.clone()) {
                        let (defined_in, item) = (defined_in.clone(), item.clone());
                        self.item(&defined_in, &item, &path);
                    } else {
                        self.line(&path, format!("pub use {path}"));
                    }
                }
            }
        }
        for (child, path, target) in children {
            if self.seen.insert(target) {
                self.line(&path, format!("pub mod {path}"));
                self.module(&child, &path);
            }
        }
    }

    fn item(&mut self, module: &ModulePath, name: &str, path: &str) {
        let item = self.krate.item(module, name);
        let before = marks(attributes(item));
        match item {
            Item::Const(item) => {
                self.line(path, format!("{before}pub const {path}: {}", text(&item.ty)));
            }
            Item::Static(item) => {
                self.line(path, format!("{before}pub static {path}: {}", text(&item.ty)));
            }
            Item::Fn(item) => {
                let text = signature(&item.sig, path);
                self.line(path, format!("{before}pub {text}"));
            }
            Item::Type(item) => {
                let generics = text(&item.generics);
                self.line(path, format!("{before}pub type {path}{generics} = {}", text(&item.ty)));
            }
            Item::Struct(item) => {
                let generics = text(&item.generics);
                self.line(path, format!("{before}pub struct {path}{generics}"));
                self.fields(&item.fields, path, false);
                self.derives(&item.attrs, path);
                self.implementations(module, name, path);
            }
            Item::Enum(item) => {
                let generics = text(&item.generics);
                self.line(path, format!("{before}pub enum {path}{generics}"));
                for variant in &item.variants {
                    let path = format!("{path}::{}", variant.ident);
                    self.line(&path, format!("{}pub {path}", marks(&variant.attrs)));
                    self.fields(&variant.fields, &path, true);
                }
                self.derives(&item.attrs, path);
                self.implementations(module, name, path);
            }
            Item::Trait(item) => {
                let generics = text(&item.generics);
                let bounds = match text(&item.supertraits) {
                    bounds if bounds.is_empty() => bounds,
                    bounds => format!(": {bounds}"),
                };
                self.line(path, format!("{before}pub trait {path}{generics}{bounds}"));
                for member in &item.items {
                    self.member(member, path);
                }
                self.implementations(module, name, path);
            }
            _ => {}
        }
    }

    fn fields(&mut self, fields: &Fields, path: &str, all: bool) {
        for (index, field) in fields.iter().enumerate() {
            if all || is_public(&field.vis) {
                let name =
                    field.ident.as_ref().map_or_else(|| index.to_string(), ToString::to_string);
                let path = format!("{path}::{name}");
                self.line(&path, format!("pub {path}: {}", text(&field.ty)));
            }
        }
    }

    fn derives(&mut self, attributes: &[Attribute], path: &str) {
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
            let _ = attribute.parse_nested_meta(|derived| {
                let name = text(&derived.path);
                self.line(path, format!("impl {name} for {path}"));
                Ok(())
            });
        }
    }

    fn member(&mut self, member: &TraitItem, path: &str) {
        match member {
            TraitItem::Fn(item) => {
                let provided = if item.default.is_some() { " (provided)" } else { "" };
                let path = format!("{path}::{}", item.sig.ident);
                let text = signature(&item.sig, &path);
                self.line(&path, format!("pub {text}{provided}"));
            }
            TraitItem::Const(item) => {
                let provided = if item.default.is_some() { " (provided)" } else { "" };
                let path = format!("{path}::{}", item.ident);
                self.line(&path, format!("pub const {path}: {}{provided}", text(&item.ty)));
            }
            TraitItem::Type(item) => {
                let path = format!("{path}::{}", item.ident);
                self.line(&path, format!("pub type {path}"));
            }
            _ => {}
        }
    }

    /// Methods and traits of a type, or implementations of a trait for other people's types.
    fn implementations(&mut self, module: &ModulePath, name: &str, path: &str) {
        let target = Target::Item(module.clone(), name.to_owned());
        let krate = self.krate;
        for (place, content) in &krate.modules {
            for item in &content.items {
                let Item::Impl(item) = item else { continue };
                let means = |path: &syn::Path| {
                    let names: Vec<String> =
                        path.segments.iter().map(|segment| segment.ident.to_string()).collect();
                    krate.resolve(place, &names) == target
                };
                if matches!(&*item.self_ty, Type::Path(own) if means(&own.path)) {
                    self.implementation(item, path);
                } else if let Some((of, _)) = &item.trait_
                    && means(of)
                    && !is_of_this_crate(krate, place, &item.self_ty)
                {
                    let (generics, own) = (text(&item.generics), text(&item.self_ty));
                    self.line(path, format!("impl{generics} {path} for {own}"));
                }
            }
        }
    }

    fn implementation(&mut self, item: &ItemImpl, path: &str) {
        if let Some((of, _)) = &item.trait_ {
            let (generics, of) = (text(&item.generics), text(of));
            let before = marks(&item.attrs);
            let own = text(&item.self_ty);
            let arguments = own.find('<').map_or("", |at| &own[at..]);
            self.line(path, format!("{before}impl{generics} {of} for {path}{arguments}"));
            return;
        }
        let before = marks(&item.attrs);
        for member in &item.items {
            match member {
                ImplItem::Fn(item) if is_public(&item.vis) => {
                    let path = format!("{path}::{}", item.sig.ident);
                    let before = format!("{before}{}", marks(&item.attrs));
                    let text = signature(&item.sig, &path);
                    self.line(&path, format!("{before}pub {text}"));
                }
                ImplItem::Const(item) if is_public(&item.vis) => {
                    let path = format!("{path}::{}", item.ident);
                    self.line(&path, format!("{before}pub const {path}: {}", text(&item.ty)));
                }
                _ => {}
            }
        }
    }

    /// Macros are public at the crate's root by their attribute.
    fn macros(&mut self, root: &str) {
        let krate = self.krate;
        for item in krate.modules.values().flat_map(|module| &module.items) {
            if let Item::Macro(item) = item
                && let Some(name) = &item.ident
                && item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"))
            {
                self.line(&format!("{root}::{name}"), format!("pub macro {root}::{name}!"));
            }
        }
    }

    fn line(&mut self, path: &str, line: String) {
        self.lines.push((path.to_owned(), line));
    }
}

fn is_of_this_crate(krate: &Crate, place: &ModulePath, own: &Type) -> bool {
    let Type::Path(own) = own else { return false };
    let names: Vec<String> =
        own.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    matches!(krate.resolve(place, &names), Target::Item(..))
}

/// The attributes that matter to users.
fn marks(attributes: &[Attribute]) -> String {
    let known = ["cfg", "deprecated", "must_use", "non_exhaustive", "repr"];
    attributes
        .iter()
        .filter(|attribute| known.iter().any(|name| attribute.path().is_ident(name)))
        .filter(|attribute| !attribute.path().is_ident("must_use"))
        .map(|attribute| format!("{} ", text(attribute)))
        .collect()
}

fn signature(signature: &syn::Signature, path: &str) -> String {
    let mut anonymous = signature.clone();
    for input in &mut anonymous.inputs {
        if let syn::FnArg::Typed(input) = input {
            input.attrs.clear();
        }
    }
    let name = &anonymous.ident.clone();
    let whole = text(&anonymous);
    // The path in place of the name.
    whole.replacen(&format!("fn {name}"), &format!("fn {path}"), 1)
}

/// Tokens as people write them.
fn text(tokens: &impl ToTokens) -> String {
    let tokens: TokenStream = quote!(#tokens);
    let mut text = tokens.to_string().replace('\n', " ");
    for (from, to) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" ::", "::"),
        (" , ", ", "),
        (" ,", ","),
        ("( ", "("),
        (" )", ")"),
        ("[ ", "["),
        (" ]", "]"),
        ("# [", "#["),
        ("& ", "&"),
        ("? ", "?"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" : ", ": "),
        (" ;", ";"),
        (" (", "("),
        (",)", ")"),
        (",>", ">"),
    ] {
        text = text.replace(from, to);
    }
    // What the rules for `<`, `>` and `(` took too much of.
    for (from, to) in [
        ("->(", "-> ("),
        ("->", " -> "),
        ("  ->", " ->"),
        ("->  ", "-> "),
        (":(", ": ("),
        (",(", ", ("),
        ("=(", "= ("),
        ("for<", "for<"),
        ("&mut(", "&mut ("),
    ] {
        text = text.replace(from, to);
    }
    text.trim().to_owned()
}

#[test]
fn signatures_are_written_as_people_write_them() {
    let check = |source: &str| {
        let signature: syn::Signature = syn::parse_str(source).unwrap();
        assert_eq!(text(&signature), source);
    };
    check("fn a(&self, b: &mut [f64]) -> Result<(Vec<u8>, T), E>");
    check("fn a<'b, T: Iterator<Item = &'b str> + ?Sized>(c: T) where T: Clone");
    check("fn a(b: impl Fn(u8) -> bool, c: &dyn Fn())");
    check("const fn a(b: [u8; 4]) -> std::io::Result<()>");
}
