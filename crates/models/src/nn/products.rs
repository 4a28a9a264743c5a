//! Matrix products whose buffers are kept from one operation to the next.

use std::sync::Mutex;

use crate::kernels::Product;

/// Products that no operation uses at the moment.
static FREE: Mutex<Vec<Product>> = Mutex::new(Vec::new());

/// Calls a function with a product of its own.
pub(super) fn with_product<T>(of: impl FnOnce(&mut Product) -> T) -> T {
    let taken = FREE.lock().map(|mut free| free.pop()).unwrap_or_default();
    let mut product = taken.unwrap_or_default();
    let result = of(&mut product);
    if let Ok(mut free) = FREE.lock() {
        free.push(product);
    }
    result
}
