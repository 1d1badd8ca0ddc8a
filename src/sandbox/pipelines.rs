//! The rules of pipelines and stages: their order is the service's, and stages belong to a pipeline.

use serde_json::{Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, refusal};
use crate::sandbox::records::Draft;
use crate::sandbox::row::Id;

/// Stages of a new pipeline, under the assumption that it gets some.
const DEFAULT_STAGES: &[&str] =
    &["Qualified", "Contact Made", "Demo Scheduled", "Proposal Made", "Negotiations Started"];

/// A new pipeline goes to the end: api/objects.md, Pipelines.
pub(super) fn settle_pipeline(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    if draft.old.is_none() {
        let last = account.store.table("pipelines").rows.values().filter_map(|row| row.number("order_nr")).max();
        draft.set("order_nr", last.unwrap_or(0) + 1);
        draft.set("is_deal_probability_enabled", draft.row["is_deal_probability_enabled"] != json!(false));
    }
    Ok(())
}

/// A new stage goes to the end of its pipeline.
pub(super) fn settle_stage(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    if draft.old.is_none() || draft.changes("pipeline_id") {
        let pipeline = draft.number("pipeline_id");
        let stages = account.store.table("stages").rows.values();
        let of_pipeline = stages.filter(|row| row.number("pipeline_id") == pipeline && !row.deleted);
        let last = of_pipeline.filter_map(|row| row.number("order_nr")).max();
        draft.set("order_nr", last.map_or(0, |last| last + 1));
    }
    for (member, first) in [("deal_probability", json!(100)), ("is_deal_rot_enabled", json!(false))] {
        if draft.row.get(member).is_none_or(Value::is_null) {
            draft.set(member, first);
        }
    }
    Ok(())
}

/// Gives a new pipeline its stages, if the sandbox assumes that the service does.
pub(super) fn default_stages(account: &mut Account, pipeline: &Id) {
    if !account.assume.is("pipeline-stages", "default") {
        return;
    }
    let (Id::Number(pipeline), now) = (pipeline, account.stamp("stages")) else { return };
    for (order, name) in DEFAULT_STAGES.iter().enumerate() {
        let id = account.next_id("stages");
        let row = crate::sandbox::answer::object([
            ("id", json!(id)),
            ("order_nr", json!(order)),
            ("name", json!(name)),
            ("is_deleted", json!(false)),
            ("deal_probability", json!(100)),
            ("pipeline_id", json!(pipeline)),
            ("is_deal_rot_enabled", json!(false)),
            ("days_to_rotten", Value::Null),
            ("add_time", json!(now)),
            ("update_time", json!(now)),
        ]);
        account.write("stages", &Id::Number(id), &row);
    }
}

/// What happens to the deals of a deleted stage is not told: they keep its id, or the deletion is refused (`stage-delete`).
pub(super) fn may_delete(account: &Account, kind: &'static str, id: &Id) -> Result<(), Answer> {
    let member = if kind == "stages" { "stage_id" } else { "pipeline_id" };
    let deals = &account.store.table("deals").rows;
    let used = account.store.children("deals", member, id).any(|deal| !deals[deal].deleted);
    if used && account.assume.is("stage-delete", "refuse") {
        return Err(refusal(400, format!("The {} has deals.", if kind == "stages" { "stage" } else { "pipeline" })));
    }
    Ok(())
}
