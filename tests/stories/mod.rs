//! Stories: what a user would tell, through the library or the program, against a sandbox over the wire.

mod account;
mod assumptions;
mod capture;
mod capture_faults;
mod capture_increment;
mod capture_program;
mod cli;
mod custom_fields;
mod custom_values;
mod history;
mod legacy;
mod login;
mod mail;
mod projects;
mod restore;
mod restore_again;
mod restore_company;
mod restore_files;
mod restore_killed;
mod restore_late;
mod restore_parts;
mod restore_people;
mod restore_settings;
mod restore_undo;
mod sweep;
