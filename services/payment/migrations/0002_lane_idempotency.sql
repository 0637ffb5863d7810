-- Where this service is in each lane. next_offset moves in the transaction of the effects; what resulted
-- from offsets below published_offset is known to be on Kafka.
create table lane (
    topic text not null,
    partition int not null,
    next_offset bigint not null,
    published_offset bigint not null,
    holder text not null,
    primary key (topic, partition)
);

-- The holder's sign of life. Unlogged: it must not wait for a standby, and is worthless after a failover.
create unlogged table lane_heartbeat (
    topic text not null,
    partition int not null,
    backend_pid int not null,
    holder text not null,
    beat_at timestamptz not null,
    primary key (topic, partition)
);

-- Answers to mutating requests, stored with their effects.
create table idempotency (
    key text primary key,
    request text not null,
    status int not null,
    body text not null,
    created_at timestamptz not null default now()
);
create index idempotency_created_at on idempotency (created_at);
