-- Ids that are given out stay clear of those that batch_init sets: 0, 1, 2 and so on.
create sequence item_id_seq as bigint start 1000000000;

create table item (
    item_id bigint primary key default nextval('item_id_seq'),
    price bigint not null,
    stock bigint not null,
    constraint item_price_nonnegative check (price >= 0),
    constraint item_stock_nonnegative check (stock >= 0)
);

-- The effect ledger: what each saga took (negative) and gave back (positive). Never updated, never deleted.
create table stock_movement (
    movement_id bigint generated always as identity primary key,
    saga_id bigint not null,
    order_id bigint not null,
    item_id bigint not null,
    delta bigint not null,
    recorded_at timestamptz not null default clock_timestamp()
);
create index stock_movement_saga on stock_movement (saga_id);

-- Commands that were answered, with the answer. The row is the reply's outbox as well.
create table inbox (
    saga_id bigint not null,
    step text not null,
    reply jsonb not null,
    lane_offset bigint not null,
    primary key (saga_id, step),
    constraint inbox_step_known check (step in ('reserve', 'release'))
);
create index inbox_lane_offset on inbox (lane_offset);
