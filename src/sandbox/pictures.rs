//! Images of products and pictures of persons: one a record, their contents at addresses that expire.
//!
//! api/objects.md, Product images and Person pictures. Of a picture only two square renditions are shown, never what was uploaded: the
//! sandbox imitates that by a header of the rendition's size before the same bytes, so that a rendition of a rendition is itself.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, not_found, refusal, single};
use crate::sandbox::call::{Body, Call};
use crate::sandbox::row::{Content, Id};

/// The larger of the renditions, in points.
pub(super) const LARGEST: u32 = 512;
const SMALLEST: u32 = 128;
/// api/objects.md: public_url lives 7 days.
const LIVES_SECONDS: i64 = 7 * 24 * 60 * 60;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

/// One of the two families.
struct Family {
    kind: &'static str,
    parent: &'static str,
    member: &'static str,
    part: &'static str,
}

const IMAGES: Family = Family { kind: "productImages", parent: "products", member: "product_id", part: "data" };
const PICTURES: Family = Family { kind: "personPictures", parent: "persons", member: "item_id", part: "file" };

/// One request about an image or a picture.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    let family = if call.operation.path.ends_with("/images") { &IMAGES } else { &PICTURES };
    let parent = call.number("id")?;
    account.live(family.parent, &Id::Number(parent))?;
    let known = account.store.children(family.kind, family.member, &Id::Number(parent)).next().cloned();
    match (call.operation.method.as_str(), known) {
        ("GET", known) => read(account, family, known),
        ("DELETE", Some(id)) => {
            let row = account.row(family.kind, &id)?;
            remove(account, family, parent, &id);
            single(200, json!({"id": row["id"]}))
        }
        ("DELETE" | "PUT", None) => Err(not_found(facts(family.kind))),
        ("POST", Some(_)) if family.kind == IMAGES.kind => Err(refusal(400, "The product has an image already.")),
        (_, known) => {
            let (name, bytes) = uploaded(call, family)?;
            if let Some(id) = known {
                remove(account, family, parent, &id);
            }
            put(account, family, parent, (name, bytes))
        }
    }
}

fn read(account: &Account, family: &Family, known: Option<Id>) -> Outcome {
    let row = known.and_then(|id| account.store.get(family.kind, &id));
    match (family.kind == IMAGES.kind, row) {
        (true, Some(row)) => single(200, image(account, row)),
        (true, None) if account.assume.is("no-image", "empty") => single(200, Value::Null),
        (false, Some(row)) => single(200, picture(account, row)),
        _ => Err(not_found(facts(family.kind))),
    }
}

fn image(account: &Account, mut row: Map<String, Value>) -> Value {
    row.insert("public_url".into(), json!(address(account, IMAGES.kind, &row["id"], 0)));
    Value::Object(row)
}

fn picture(account: &Account, mut row: Map<String, Value>) -> Value {
    let at = |size: u32| address(account, PICTURES.kind, &row["id"], size);
    let pictures = json!({SMALLEST.to_string(): at(SMALLEST), LARGEST.to_string(): at(LARGEST)});
    row.insert("pictures".into(), pictures);
    Value::Object(row)
}

/// What was uploaded: an image, and of a person a square one or one that is cut.
fn uploaded(call: &Call<'_>, family: &Family) -> Result<(String, Bytes), Answer> {
    let Body::Upload(upload) = &call.body else { return Err(refusal(400, "No image was uploaded")) };
    let file = upload.file.clone().filter(|_| upload.part == family.part);
    let (name, bytes) = file.ok_or_else(|| refusal(400, format!("The part {} is required", family.part)))?;
    let is_image = [PNG, b"\xff\xd8\xff", b"GIF8"].iter().any(|head| bytes.starts_with(head));
    if !is_image {
        return Err(refusal(400, "Only GIF, JPG and PNG are allowed."));
    }
    let cut = ["crop_x", "crop_y", "crop_width", "crop_height"];
    let cut = cut.iter().all(|part| upload.parts.iter().any(|(name, value)| name == part && !value.is_empty()));
    let square = measures(&bytes).is_none_or(|(width, height)| width == height && width >= SMALLEST);
    if family.kind == PICTURES.kind && !square && !cut {
        return Err(refusal(400, "The picture must be a square of at least 128 pixels."));
    }
    Ok((name, bytes))
}

/// Width and height of a PNG.
fn measures(bytes: &[u8]) -> Option<(u32, u32)> {
    let sizes = bytes.strip_prefix(PNG)?.get(..8)?;
    let number = |at: usize| u32::from_be_bytes([sizes[at], sizes[at + 1], sizes[at + 2], sizes[at + 3]]);
    Some((number(0), number(4)))
}

/// The picture at a size.
pub(super) fn rendition(bytes: &Bytes, size: u32) -> Bytes {
    if measures(bytes) == Some((size, size)) {
        return bytes.clone();
    }
    let body = measures(bytes).map_or(&bytes[..], |_| &bytes[PNG.len() + 8..]);
    [PNG, &size.to_be_bytes(), &size.to_be_bytes(), body].concat().into()
}

fn put(account: &mut Account, family: &Family, parent: u64, (name, bytes): (String, Bytes)) -> Outcome {
    let id = account.next_id(family.kind);
    let now = account.stamp(family.kind);
    let mime = if bytes.starts_with(PNG) { "image/png" } else { "image/jpeg" };
    let size = bytes.len();
    account.contents.insert((family.kind, Id::Number(id)), Content::Bytes(bytes));
    if family.kind == IMAGES.kind {
        let row = crate::sandbox::answer::object([
            ("id", json!(id)),
            ("product_id", json!(parent)),
            ("company_id", json!("1")),
            ("name", json!(name)),
            ("mime_type", json!(mime)),
            ("add_time", json!(now[..10])),
        ]);
        account.write(family.kind, &Id::Number(id), &row);
        return single(201, json!({"id": id, "product_id": parent, "company_id": "1", "add_time": row["add_time"]}));
    }
    let row = crate::sandbox::answer::object([
        ("id", json!(id)),
        ("item_type", json!("person")),
        ("item_id", json!(parent)),
        ("active_flag", json!(true)),
        ("added_by_user_id", json!(account.me)),
        ("file_size", json!(size)),
    ]);
    account.write(family.kind, &Id::Number(id), &row);
    name_picture(account, parent, json!(id));
    let mut shown = picture(account, row);
    shown["add_time"] = json!(now);
    single(200, shown)
}

fn remove(account: &mut Account, family: &Family, parent: u64, id: &Id) {
    account.erase(family.kind, id);
    if family.kind == PICTURES.kind {
        name_picture(account, parent, Value::Null);
    }
}

/// A person names its picture.
fn name_picture(account: &mut Account, person: u64, picture: Value) {
    let Some(mut row) = account.store.get("persons", &Id::Number(person)) else { return };
    row.insert("picture_id".into(), picture);
    row.insert("update_time".into(), account.stamp("persons").into());
    account.write("persons", &Id::Number(person), &row);
}

fn address(account: &Account, kind: &str, id: &Value, size: u32) -> String {
    let what = format!("{kind}-{id}-{size}-{}", account.clock.now().timestamp() + LIVES_SECONDS);
    format!("{}/signed/{what}-{}", account.url, signature(account, &what))
}

fn signature(account: &Account, what: &str) -> String {
    blake3::hash(format!("{} {what}", account.url).as_bytes()).to_hex()[..40].to_owned()
}

/// The contents that a signed address means, until it expires.
pub(super) fn by_signature(account: &Account, signed: &str) -> Option<Answer> {
    let (what, sent) = signed.rsplit_once('-')?;
    let parts: Vec<&str> = what.split('-').collect();
    let [kind, id, size, until] = parts[..] else { return None };
    let family = [&IMAGES, &PICTURES].into_iter().find(|family| family.kind == kind)?;
    let (size, until): (u32, i64) = (size.parse().ok()?, until.parse().ok()?);
    if sent != signature(account, what) || account.clock.now().timestamp() > until {
        return None;
    }
    let bytes = account.bytes(family.kind, &Id::Number(id.parse().ok()?))?;
    Some(Answer::file(if size == 0 { bytes } else { rendition(&bytes, size) }))
}
