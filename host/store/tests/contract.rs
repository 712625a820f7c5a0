//! The store's contract: one body of tests, run on SQLite and on PostgreSQL.
//!
//! Every test opens a database of its own; PostgreSQL's are in one cluster per process of tests. What only several hosts can show is in
//! `hosts.rs`, on PostgreSQL alone.

#[path = "contract/calls.rs"]
mod calls;
#[path = "contract/cleanup.rs"]
mod cleanup;
#[path = "contract/common.rs"]
mod common;
#[path = "contract/comparison.rs"]
mod comparison;
#[path = "contract/delivery.rs"]
mod delivery;
#[path = "contract/deployments.rs"]
mod deployments;
#[path = "contract/external.rs"]
mod external;
#[path = "contract/hosts.rs"]
mod hosts;
#[path = "contract/jobs.rs"]
mod jobs;
#[path = "contract/large.rs"]
mod large;
#[path = "contract/ledger.rs"]
mod ledger;
#[path = "contract/locks.rs"]
mod locks;
#[path = "contract/lost_connections.rs"]
mod lost_connections;
#[path = "contract/messages.rs"]
mod messages;
#[path = "contract/opening.rs"]
mod opening;
#[path = "contract/operations.rs"]
mod operations;
#[path = "contract/queries.rs"]
mod queries;
#[path = "contract/read_only.rs"]
mod read_only;
#[path = "contract/running.rs"]
mod running;
#[path = "contract/start_timers.rs"]
mod start_timers;
#[path = "contract/suspension.rs"]
mod suspension;
#[path = "contract/units.rs"]
mod units;

/// Runs each named test on both databases.
macro_rules! on_both {
    ($($module:ident: $($test:ident)*;)*) => {
        mod sqlite {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::$module::$test(crate::common::Fixture::sqlite()).await;
            })*)*
        }
        mod postgres {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::$module::$test(crate::common::Fixture::postgres(stringify!($test))).await;
            })*)*
        }
    };
}

on_both! {
    start_timers:
        each_firing_begins_one_instance
        a_firing_whose_start_is_refused_is_not_over
        a_failed_firing_waits_beside_the_next_one
        a_failure_counts_upon_what_an_operator_has_changed_meanwhile
        versions_close_and_reopen_what_starts_a_process;
    units:
        a_unit_is_stored_with_the_rows_beside_it
        a_unit_updates_in_place_and_removes_what_is_gone
        what_is_stored_apart_is_read_with_its_instance_and_goes_with_it
        a_late_unit_conflicts_and_its_neighbours_go_on
        a_unit_of_two_instances_is_stored_whole_or_not_at_all
        an_ended_instance_leaves_only_history
        what_begins_and_ends_in_one_unit_never_touches_the_live_tables
        a_unit_at_fault_alone_gets_the_error
        fifty_starts_with_one_key_start_once
        a_nul_byte_is_refused_at_the_edge
        suspending_an_instance_takes_its_jobs_and_tasks_along
        history_keeps_what_its_level_says
        a_unit_of_nothing_that_is_there_is_gone
        a_start_knows_the_last_that_became_of_its_definition
        many_units_share_few_transactions
        units_that_lose_one_race_together_cost_few_transactions;
    jobs:
        due_jobs_are_claimed_longest_due_first
        higher_priorities_are_claimed_first_and_of_these_the_longest_due
        jobs_of_more_priorities_than_are_told_apart_are_claimed_all_the_same
        what_must_not_run_is_not_claimed
        of_exclusive_jobs_one_at_a_time_is_claimed
        many_exclusive_jobs_of_one_instance_do_not_starve_others
        a_born_locked_job_is_not_claimed_until_it_is_put_unlocked
        what_is_behind_is_claimed_when_a_unit_makes_it_the_next
        a_turn_is_handed_on_in_the_commit_that_ends_the_one_before
        retries_from_an_operator_leave_a_running_job_to_its_host
        one_job_is_claimed_by_its_name_due_or_not
        what_a_host_cannot_run_stands_in_nobodys_way
        a_released_job_is_claimed_again_unchanged
        the_next_process_takes_over_what_the_last_one_had_locked;
    running:
        a_running_job_stands_in_its_instances_row_until_a_unit_ends_it
        a_running_job_that_is_put_down_is_a_change_of_its_instance
        a_turn_is_handed_on_in_the_instances_row
        a_host_whose_committer_meets_a_bug_is_over
        a_unit_takes_no_job_along_that_it_could_not_have_locked;
    large:
        lists_of_large_rows_are_refused_where_one_answer_does_not_hold_them
        attempts_and_instances_that_are_large_are_no_exception
        an_incident_has_its_detail_where_it_is_asked_for_and_a_list_has_none;
    suspension:
        a_job_that_is_suspended_is_nobodys_until_it_is_activated
        who_does_not_know_of_a_change_of_job_definitions_makes_no_jobs
        a_change_of_job_definitions_is_stored_with_what_the_log_says_of_it
        a_timer_start_event_that_is_suspended_does_not_fire;
    external:
        a_fetched_task_is_its_workers_until_the_lock_runs_out
        a_task_is_given_back_only_by_whoever_has_it
        what_is_given_back_comes_before_what_was_created_after_it
        what_must_not_be_fetched_is_not
        topics_are_asked_for_together_and_each_has_its_filters
        higher_priorities_come_first_and_of_these_the_longest_waiting
        a_late_worker_completes_only_what_nobody_else_has_fetched
        two_workers_and_a_lock_that_runs_out
        a_failure_rests_and_keeps_its_worker
        locks_are_extended_taken_and_given_back
        workers_that_fetch_at_once_share_no_task;
    delivery:
        a_signal_comes_to_those_who_wait_when_it_is_thrown
        a_delivery_that_cannot_be_read_keeps_back_no_other
        what_starts_by_a_signal_is_the_newest_version_that_is_not_suspended
        a_delivery_is_taken_up_once_and_only_with_what_it_led_to
        a_delivery_that_fails_is_tried_again_and_then_an_incident
        what_an_operator_says_of_a_delivery_under_way_holds
        a_delivery_is_given_up_when_it_is_whatever_date_it_gets_then
        a_delivery_that_is_taken_up_in_the_end_was_an_incident
        a_start_that_cannot_be_delivered_is_nobodys_incident_until_it_is_deleted
        who_is_suspended_gets_a_signal_when_he_goes_on
        deliveries_to_the_suspended_are_parked_and_keep_back_no_other
        event_subscriptions_are_of_instances_and_of_newest_versions;
    messages:
        a_message_finds_who_waits_with_its_business_key
        messages_are_looked_at_in_the_order_in_which_they_are_due
        a_message_waits_until_it_is_woken
        a_message_finds_who_waits_under_its_correlation_key
        a_message_is_delivered_once_and_looks_again_where_nobody_is_there
        a_deployment_is_not_deleted_while_messages_are_on_their_way_to_it
        a_message_to_no_process_of_the_deployment_is_not_stored;
    ledger:
        an_attempt_is_opened_once_and_closed_once
        an_attempt_needs_its_wait
        a_unit_brings_what_its_commands_came_to
        one_attempt_per_key_is_open_at_a_time
        who_has_not_looked_opens_the_first_attempt_only
        of_many_attempts_at_once_each_is_told_its_own
        another_request_is_another_generation
        an_unknown_outcome_is_reconciled
        an_outcome_that_is_heard_after_its_wait_ended_is_marked
        a_verdict_decides_what_is_unknown_and_leaves_the_evidence
        a_verdict_is_of_the_last_attempt_and_says_applied_or_not
        of_verdicts_and_late_outcomes_one_counts
        what_a_dead_host_had_under_way_is_unknown
        the_ledger_outlives_its_instance;
    deployments:
        versions_count_up_per_tenant_and_key
        identical_content_is_recognised
        a_deployment_is_later_than_those_before_it_whatever_its_hosts_clock_says
        delegates_that_were_seen_are_those_that_are_there
        a_component_is_kept_once
        what_is_used_is_not_deleted
        elements_go_with_the_last_history_of_their_definition
        a_deleted_definition_whose_elements_cannot_be_removed_keeps_no_other
        elements_are_looked_for_behind_any_number_of_other_versions
        history_that_is_not_kept_any_more_comes_to_its_end
        definitions_are_deleted_beside_their_deployment
        a_cascade_takes_instances_and_history_along
        only_the_newest_version_starts_by_message
        two_processes_do_not_start_by_one_message
        of_concurrent_deployments_one_gets_the_message
        statistics_count_where_tokens_stand;
    operations:
        an_operation_is_stored_with_what_it_did_or_not_at_all
        operations_go_with_their_history_and_its_deletion_is_kept
        a_host_without_history_keeps_no_operations
        candidates_that_are_taken_away_find_a_task_no_more
        variables_of_live_scopes_are_listed_and_compared;
    cleanup:
        history_goes_when_its_time_is_over_and_not_before
        a_cascade_and_the_cleanup_leave_nothing_to_each_other
        a_large_history_goes_in_slices
        as_many_instances_go_as_are_not_too_much_for_one_transaction
        a_record_is_read_part_by_part_and_is_whole
        history_of_a_cascade_goes_whoever_has_begun_it
        finished_instances_are_found_page_by_page;
    queries:
        messages_of_many_callers_find_what_waits_for_them
        every_filter_and_every_order_is_understood
        whatever_a_list_begins_with_takes_every_condition
        tasks_are_found_by_candidates_and_assignees
        what_is_overdue_is_counted_and_listed_alike
        likes_respect_case_and_escapes
        pages_neither_repeat_nor_skip
        metrics_count_what_is_open;
    calls:
        callers_and_what_they_called_find_each_other
        incident_of_a_called_instance_stands_at_its_callers
        history_has_incidents_of_called_instances_at_their_callers
        deployment_goes_with_what_its_instances_called_and_not_under_a_caller;
    opening:
        a_schema_applied_by_hand_is_accepted
        a_newer_database_is_refused
        missing_migrations_are_named_when_they_may_not_be_applied
        a_closed_store_gives_everything_back;
}

/// The same by one thread: what one task hands in is there as a whole before the committer looks, however busy the machine is.
macro_rules! by_one_thread {
    ($($module:ident: $($test:ident)*;)*) => {
        mod one_thread {
            mod sqlite {
                $($(#[tokio::test]
                async fn $test() {
                    crate::$module::$test(crate::common::Fixture::sqlite()).await;
                })*)*
            }
            mod postgres {
                $($(#[tokio::test]
                async fn $test() {
                    crate::$module::$test(crate::common::Fixture::postgres(stringify!($test))).await;
                })*)*
            }
        }
    };
}

by_one_thread! {
    units:
        units_that_come_at_once_share_a_transaction;
    ledger:
        an_entry_that_cannot_be_written_costs_its_neighbours_one_more_transaction;
}
