//! The same rules on PostgreSQL, which runs writes side by side: what SQLite's one writer decides by order, a statement
//! must decide here.

use super::world::World;
use super::{
    acts, assertions, backend, bound, codes, discovery, expiry, pushed, refresh, registration, sessions, signing_keys,
    tokens,
};
use crate::support::database::with_postgres;

macro_rules! on_postgres {
    ($($test:ident = $contract:path;)+) => {
        $( #[test] fn $test() { with_postgres(|database| async { $contract(World::on(database).await).await }); } )+
    };
}

on_postgres! {
    s07_every_act_leaves_one_entry = acts::every_act_leaves_one_entry;
    s07_without_its_entry_no_act_is_done = acts::without_its_entry_no_act_is_done;
    s07_what_the_operator_does = acts::what_the_operator_does;
    o07_a_code_replayed_later_kills = codes::a_code_replayed_later_kills;
    o08_of_64_at_once_exactly_one_gets_tokens = codes::of_64_at_once_exactly_one_gets_tokens;
    o09_a_bound_code = bound::a_bound_code;
    o18_an_assertion_works_once = assertions::an_assertion_works_once;
    o32_a_token_is_bound = bound::a_token_is_bound;
    o32_a_proof_is_used_once_everywhere = bound::a_proof_is_used_once_everywhere;
    o34_pushed_requests_are_good_once = pushed::pushed_requests_are_good_once;
    o35_registrations_are_each_ones_own = registration::registrations_are_each_ones_own;
    o42_a_service_is_turned_off = backend::a_service_is_turned_off;
    a_service_gets_a_token = backend::a_service_gets_a_token;
    a_pushed_request = pushed::a_pushed_request;
    an_app_registers = registration::an_app_registers;
    a_registration_ends = registration::a_registration_ends;
    keys_rotate = signing_keys::keys_rotate;
    a_key_is_dropped = signing_keys::a_key_is_dropped;
    o21_a_replay_kills_the_family = refresh::a_replay_kills_the_family;
    o22_many_refreshes_make_one_lineage = refresh::many_refreshes_make_one_lineage;
    o24_a_second_process_knows = refresh::a_second_process_knows;
    online_access_ends = refresh::online_access_ends;
    a_token_that_stays_lives_on = refresh::a_token_that_stays_lives_on;
    o42_what_is_known_ends = refresh::what_is_known_ends;
    processes_make_one_key = discovery::processes_make_one_key;
    sessions_end = sessions::sessions_end;
    what_clients_left_is_removed = expiry::what_clients_left_is_removed;
    what_ended_is_removed = expiry::what_ended_is_removed;
    removal_goes_in_batches = expiry::removal_goes_in_batches;
    a_grant_that_ends = tokens::a_grant_that_ends;
}
