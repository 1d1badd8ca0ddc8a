//! Calls that the service has removed, for accounts that still answer them: served under `--legacy` only.
//!
//! One line an operation, in the form of the contract, which knows today's calls alone. Their bodies are as they were last described;
//! where no description is left it is said beside the handler.

use crate::sandbox::contract::Operation;

const REMOVED: &str = r#"[
    {"version": "v1", "method": "PUT", "path": "/permissionSets/{id}", "tokens": 10,
     "body": {"as": "json", "type": "object",
              "fields": {"name": {"type": "string"}, "description": {"type": "string"}, "contents": {"type": "array"}}}},
    {"version": "v1", "method": "POST", "path": "/permissionSets/{id}/assignments", "tokens": 10,
     "body": {"as": "json", "type": "object", "fields": {"user_id": {"type": "integer"}}, "required": ["user_id"]}}
]"#;

/// Every removed call that the sandbox can still serve.
pub(super) fn operations() -> Vec<Operation> {
    serde_json::from_str(REMOVED).expect("the removed calls are read by a test")
}

#[cfg(test)]
mod tests {
    use super::operations;

    #[test]
    fn every_removed_call_is_one_of_the_contract_s_form() {
        assert!(operations().iter().all(|operation| operation.tokens > 0 && operation.body.is_some()));
    }
}
