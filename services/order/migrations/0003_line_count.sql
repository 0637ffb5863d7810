-- How many lines an order has, so that they are bounded without being counted: a count would be a read of the
-- index pages on which the lines of other orders stand too.
alter table shop_order add column line_count int not null default 0;
update shop_order o set line_count = counted.lines
from (select order_id, count(*)::int as lines from order_line group by order_id) as counted
where o.order_id = counted.order_id;
