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

create table effect (
    effect_id bigint generated always as identity primary key,
    lane_offset bigint not null,
    payload text not null
);
create table counter (
    counter_id int primary key,
    value bigint not null
);
insert into counter values (1, 0);
