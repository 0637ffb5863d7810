-- Orders, their lines and the sagas that check them out.

-- Created ids never meet those of batch_init, which are 0 … n−1.
create sequence order_id_seq start with 1000000000;
create sequence saga_id_seq;

-- `open_saga` is the attempt that is under way: while it is set, the order cannot be changed. It stands
-- here rather than being looked up in `saga`, so that changing an order reads nothing that the checkouts
-- of *other* orders write, and the two never fail each other's serializable transactions. For the same
-- reason checkouts read orders only by updating them: a read alone would lock whole pages.
-- Pages are left half empty so that updates stay on them and touch no index.
create table shop_order (
    order_id bigint primary key default nextval('order_id_seq'),
    user_id bigint not null,
    paid boolean not null default false,
    total_cost bigint not null default 0,
    open_saga bigint,
    constraint shop_order_total_cost_nonnegative check (total_cost >= 0),
    constraint shop_order_paid_is_closed check (not (paid and open_saga is not null))
) with (fillfactor = 50);
alter sequence order_id_seq owned by shop_order.order_id;

-- `price` is that of one piece when the item was first added.
create table order_line (
    order_id bigint not null,
    item_id bigint not null,
    quantity bigint not null,
    price bigint not null,
    primary key (order_id, item_id),
    constraint order_line_quantity_positive check (quantity > 0),
    constraint order_line_price_nonnegative check (price >= 0)
);

-- A saga that has not ended is its own outbox: it has exactly one outstanding command, which follows
-- from its state. `published_at` is when that command was last given to Kafka. Who pays how much was
-- settled when it began.
create table saga (
    saga_id bigint primary key default nextval('saga_id_seq'),
    order_id bigint not null,
    user_id bigint not null,
    total_cost bigint not null,
    state text not null,
    refusal jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    published_at timestamptz not null default now(),
    constraint saga_state_known
        check (state in ('reserving', 'charging', 'releasing', 'completed', 'rejected')),
    constraint saga_refusal_where_rejected
        check ((refusal is not null) = (state in ('releasing', 'rejected')))
) with (autovacuum_vacuum_scale_factor = 0.05);
alter sequence saga_id_seq owned by saga.saga_id;

-- One attempt at a time; also the way to every saga that has not ended.
create unique index saga_open_once on saga (order_id)
    where state not in ('completed', 'rejected');

-- Never holds a row. Whoever writes sagas locks it first, before its snapshot is taken.
create table saga_turn ();

-- Where each lane is, who works it, and what was answered to which idempotency key.
create table lane (
    topic text not null,
    partition int not null,
    next_offset bigint not null,
    published_offset bigint not null,
    holder text not null,
    primary key (topic, partition)
);

create unlogged table lane_heartbeat (
    topic text not null,
    partition int not null,
    backend_pid int not null,
    holder text not null,
    beat_at timestamptz not null,
    primary key (topic, partition)
);

create table idempotency (
    key text primary key,
    request text not null,
    status int not null,
    body text not null,
    created_at timestamptz not null default now()
);
