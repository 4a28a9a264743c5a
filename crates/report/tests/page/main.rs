//! The presentation half: document, plots, page, exporters.

mod browser;
mod colors;
mod export;
mod fixture;
mod html;
mod markup;
mod plots;
mod tables;
