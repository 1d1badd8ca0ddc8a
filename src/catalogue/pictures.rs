//! Pictures of persons and images of products: one a record, and what they show.
//!
//! Each is known by the record it belongs to. The service shows them at addresses that expire, so their contents are
//! fetched as soon as they are listed.

use super::object::{
    Call, Contents, Dml, Encoding, KeyIn, Listing, Method, Object, Paging, Reference, Restore, Target, Version, When,
    Write,
};

const OF_PERSON: Contents = Contents {
    object: "personPictureContents",
    path: "/persons/{parent}/picture",
    price: 0,
    at: Some("pictures.512"),
    version: [("id", "picture_id"), ("file_size", "file_size")],
    part: "file",
};

/// Pictures of persons: only square renditions are shown, never what was uploaded.
pub(super) static PERSON_PICTURES: Object = Object {
    name: "personPictures",
    version: Version::V2,
    path: "/persons/{parent}/picture",
    listing: Listing::Under { parents: &["persons"], counter: None, paging: Paging::One },
    gate: Some("picture_id"),
    price: 1,
    key: KeyIn::Both { parent: "item_id", own: "item_id" },
    contents: Some(OF_PERSON),
    references: &[
        Reference { field: "item_id", to: Target::Record(&["persons"]), when: When::Afterwards },
        Reference { field: "added_by_user_id", to: Target::Record(&["users"]), when: When::Afterwards },
    ],
    create: Some(Write {
        call: Call::v1(Method::Post, "/persons/{parent}/picture", 10),
        encoding: Encoding::Multipart,
        fields: &[],
        required: &[],
    }),
    delete: Some(Call::v1(Method::Delete, "/persons/{parent}/picture", 6)),
    dml: Dml::INSERT_DELETE,
    volatile: &["pictures"],
    computed: &["id", "item_id", "item_type", "active_flag", "added_by_user_id", "file_size"],
    limits: "only the square of 512 points that the service shows is kept and comes back, not what was uploaded",
    evidence: "api/objects.md Person pictures, openapi v1 and v2, 2026-11-23",
    ..Object::READ_ONLY
};

const OF_PRODUCT: Contents = Contents {
    object: "productImageContents",
    path: "/products/{parent}/images",
    price: 0,
    at: Some("public_url"),
    version: [("id", "image_id"), ("add_time", "add_time")],
    part: "data",
};

/// Images of products.
pub(super) static PRODUCT_IMAGES: Object = Object {
    name: "productImages",
    version: Version::V2,
    path: "/products/{parent}/images",
    listing: Listing::Under { parents: &["products"], counter: None, paging: Paging::One },
    price: 10,
    key: KeyIn::Both { parent: "product_id", own: "product_id" },
    contents: Some(OF_PRODUCT),
    references: &[Reference { field: "product_id", to: Target::Record(&["products"]), when: When::Afterwards }],
    create: Some(Write {
        call: Call::v2(Method::Post, "/products/{parent}/images", 20),
        encoding: Encoding::Multipart,
        fields: &[],
        required: &[],
    }),
    delete: Some(Call::v2(Method::Delete, "/products/{parent}/images", 6)),
    dml: Dml::INSERT_DELETE,
    volatile: &["public_url"],
    computed: &["id", "product_id", "company_id", "name", "mime_type", "add_time"],
    limits: "another image takes the place of the old one by deleting it and uploading again",
    evidence: "api/objects.md Product images, openapi v2, 2026-11-23",
    ..Object::READ_ONLY
};

/// What pictures of persons show: one record a picture, made by pdbak, that says which blob holds it.
pub(super) static PERSON_PICTURE_CONTENTS: Object = Object {
    name: "personPictureContents",
    path: OF_PERSON.path,
    listing: Listing::Derived { from: "personPictures" },
    references: &[Reference { field: "id", to: Target::Record(&["personPictures"]), when: When::Afterwards }],
    computed: &["id", "blob", "bytes", "blake3", "picture_id", "file_size"],
    ..CONTENTS
};

/// What images of products show.
pub(super) static PRODUCT_IMAGE_CONTENTS: Object = Object {
    name: "productImageContents",
    path: OF_PRODUCT.path,
    listing: Listing::Derived { from: "productImages" },
    references: &[Reference { field: "id", to: Target::Record(&["productImages"]), when: When::Afterwards }],
    computed: &["id", "blob", "bytes", "blake3", "image_id", "add_time"],
    ..CONTENTS
};

const CONTENTS: Object = Object {
    version: Version::V2,
    restore: Restore::ByHand("contents come back with their picture"),
    limits: "contents come back with their picture",
    evidence: "api/objects.md Person pictures, Product images, 2026-11-23",
    ..Object::READ_ONLY
};
