# shellcheck shell=bash disable=SC2034
# What is measured, and against what. Sourced by run.sh, group.sh and profile.sh. A row is a pgbench script and its
# variables; rows of a group are measured slice by slice in this order, and in the next repeat in
# reverse, so neighbouring rows are compared. New rows can be added here.
declare -A row=(
  [insert_hot]='-f insert.sql -D hot=1' [insert_spread]='-f insert.sql -D hot=0'
  [returning_hot]='-f insert_returning.sql -D hot=1'
  [buy_hot]='-f buy.sql -D hot=1' [buy_spread]='-f buy.sql -D hot=0'
  [buy_group_hot]='-f buy.sql -D hot=1' [buy_group_spread]='-f buy.sql -D hot=0'
  [mask_hot]='-f mask_buy.sql -D hot=1' [mask_spread]='-f mask_buy.sql -D hot=0'
  [split_hot]='-f split_buy.sql -D hot=1' [split_spread]='-f split_buy.sql -D hot=0'
  [exclude_hot]='-f exclude_buy.sql -D hot=1' [exclude_spread]='-f exclude_buy.sql -D hot=0'
  [select_1]='-f select_1.sql' [select_5]='-f select_5.sql' [remaining]='-f remaining.sql' [sold_out]='-f sold_out.sql'
  [mask_remaining]='-f mask_remaining.sql' [split_remaining]='-f split_remaining.sql' [exclude_remaining]='-f exclude_remaining.sql'
  [mask_sold_out]='-f mask_sold_out.sql' [split_sold_out]='-f split_sold_out.sql' [exclude_sold_out]='-f exclude_sold_out.sql'
  [search]='-f search.sql' [search_floor]='-f search_floor.sql'
  [insert_100]='-f insert_many.sql' [buy_many_100]='-f buy_many.sql' [insert_1000]='-f insert_many.sql' [buy_many_1000]='-f buy_many.sql'
  [returning_1000]='-f insert_many_returning.sql'
  [insert_update]='-f insert_update.sql' [hold_confirm]='-f hold_confirm.sql'
  [buy_refund]='-f buy_refund.sql'
  [item_insert]='-f item_insert.sql' [item_buy]='-f item_buy.sql' [item_buy_group]='-f item_buy.sql'
  [item_counter]='-f counter.sql' [item_advisory]='-f advisory.sql' [item_parts]='-f parts.sql'
  [item_remaining]='-f item_remaining.sql' [item_sold_out]='-f item_sold_out.sql'
  [item_insert_1000]='-f item_insert_many.sql' [item_buy_many_1000]='-f item_buy_many.sql'
)
# Tickets per call, as slices.csv counts tickets. A slice of these rows takes only one second, to
# save disk space.
declare -A size=([insert_100]=100 [buy_many_100]=100 [insert_1000]=1000 [buy_many_1000]=1000 [returning_1000]=1000 [item_insert_1000]=1000 [item_buy_many_1000]=1000)

if [ -n "${QUICK:-}" ]; then
  # Without spread sales of the peers: their two million seats take longer to set up than all the
  # rest.
  spread=0
  tickets=(exclude_hot split_hot mask_hot buy_group_hot insert_hot buy_hot returning_hot buy_spread insert_spread)
  reads=(search search_floor)
  batches=(buy_many_1000 insert_1000 hold_confirm buy_refund insert_update)
  items=(item_counter item_buy item_insert item_buy_group)
else
  spread=1000
  tickets=(exclude_hot split_hot mask_hot buy_group_hot insert_hot buy_hot returning_hot buy_spread insert_spread mask_spread split_spread exclude_spread)
  reads=(mask_remaining split_remaining exclude_remaining mask_sold_out split_sold_out exclude_sold_out search search_floor)
  batches=(insert_100 buy_many_100 returning_1000 buy_many_1000 insert_1000 hold_confirm buy_refund insert_update)
  items=(item_parts item_advisory item_counter item_buy item_insert item_buy_group item_buy_many_1000 item_insert_1000)
fi
closest=(select_5 remaining item_remaining select_1 item_sold_out sold_out)
reads+=("${closest[@]}")
# Measured only at the first number of clients: they are far from what they are compared with.
declare -A once
for name in redis_spread {mask,split,exclude}_{spread,remaining,sold_out}; do once[$name]=1; done
# Whose instructions are counted: in a quick run these, else (none) all rows of the ratios.
counted=()
[ -z "${QUICK:-}" ] || counted=(insert_hot buy_hot insert_1000 buy_many_1000 select_1 remaining)

# above,below,aim[,measure[,synchronous_commit[,clients]]]: below may be several, of which the best
# counts. Measures: tps (the default), p99, wal (bytes).
ratios='buy_hot,insert_hot,1.05
buy_spread,insert_spread,1.05
buy_hot,returning_hot,
buy_hot,buy_spread,0.98
buy_hot,mask_hot|split_hot|exclude_hot,2.2,tps,on
buy_hot,mask_hot|split_hot|exclude_hot,3.5,tps,off
buy_spread,mask_spread|split_spread|exclude_spread,
buy_hot,redis_hot,
buy_spread,redis_spread,
buy_hot,insert_hot,<=1.1,p99
buy_group_hot,insert_hot,1.1,tps,on,8
buy_group_hot,insert_hot,2.0,tps,on,32
buy_group_hot,insert_hot,1.2,tps,off,32
buy_group_hot,insert_hot,<=1,p99,,32
buy_spread,insert_spread,<=1.1,p99
remaining,select_1,0.97
remaining,select_5,0.97
remaining,mask_remaining|split_remaining|exclude_remaining,
sold_out,select_1,0.95
sold_out,mask_sold_out|split_sold_out|exclude_sold_out,
buy_many_100,insert_100,1.05
buy_many_1000,insert_1000,1.05
buy_many_1000,returning_1000,
search,search_floor,0.80
hold_confirm,insert_update,1.00
buy_refund,insert_update,
item_buy,item_insert,1.00
item_buy,item_counter|item_advisory,4.0
item_buy,item_parts,
item_buy_group,item_insert,1.1,tps,on,8
item_buy_group,item_insert,2.0,tps,on,32
item_remaining,select_1,0.90
item_sold_out,select_1,0.90
item_buy_many_1000,item_insert_1000,0.95'
