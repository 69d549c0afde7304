//! stub
use crate::policy::Policy;
/// stub
pub fn load(_: &[u8], _: &dyn Fn(&str) -> Option<String>) -> Result<Policy, Vec<String>> {
    Err(vec![])
}
