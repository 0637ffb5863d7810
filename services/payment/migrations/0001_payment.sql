-- Ids that are given out stay clear of those that batch_init sets: 0, 1, 2 and so on.
create sequence user_id_seq as bigint start 1000000000;

create table account (
    user_id bigint primary key default nextval('user_id_seq'),
    credit bigint not null,
    constraint account_credit_nonnegative check (credit >= 0)
);

-- The effect ledger: what each saga charged (negative) and refunded (positive). Never updated, never deleted.
create table payment_movement (
    movement_id bigint generated always as identity primary key,
    saga_id bigint not null,
    order_id bigint not null,
    user_id bigint not null,
    delta bigint not null,
    recorded_at timestamptz not null default clock_timestamp()
);
create index payment_movement_saga on payment_movement (saga_id);

-- Commands that were answered, with the answer. The row is the reply's outbox as well.
create table inbox (
    saga_id bigint not null,
    step text not null,
    reply jsonb not null,
    lane_offset bigint not null,
    primary key (saga_id, step),
    constraint inbox_step_known check (step in ('charge', 'refund'))
);
create index inbox_lane_offset on inbox (lane_offset);
