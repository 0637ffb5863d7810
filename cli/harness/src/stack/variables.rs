//! What the variables of a stack file stand for.

use std::collections::BTreeMap;

use crate::cluster::StackName;
use crate::image::Images;

/// What `up` was asked for, as far as the stack file has variables for it.
#[derive(Debug)]
pub(super) struct Wishes<'a> {
    pub(super) stack: &'a StackName,
    pub(super) port: u16,
    pub(super) db_route: &'a str,
    pub(super) images: &'a Images,
    /// From the environment: those that have no option of their own, such as `WEBSHOP_LOG`.
    pub(super) environment: &'a BTreeMap<String, String>,
}

/// The variables by name. What is asked for by option goes before the environment.
pub(super) fn variables(wishes: &Wishes<'_>) -> BTreeMap<String, String> {
    let mut variables = wishes.environment.clone();
    variables.insert("WEBSHOP_STACK".to_owned(), wishes.stack.to_string());
    variables.insert("WEBSHOP_PORT".to_owned(), wishes.port.to_string());
    variables.insert("WEBSHOP_DB_ROUTE".to_owned(), wishes.db_route.to_owned());
    for (image, reference) in wishes.images.iter() {
        variables.insert(
            format!("WEBSHOP_{}_IMAGE", image.to_uppercase()),
            reference.to_owned(),
        );
    }
    variables
}
