/*
 * What a module that watches the executor's checks of rights (pgaudit, sepgsql) hears of statements: says which table a statement writes, and
 * whose rights are checked for it. Built and loaded by test/t/037_rights_hook.pl.
 *
 * Like pgaudit it needs to be inside of a statement of the executor's when it hears of the tables, and says so where it is not.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static ExecutorStart_hook_type next_start;
static ExecutorCheckPerms_hook_type next_check;
static int starting = 0;

static void
start(QueryDesc *query, int flags)
{
	starting++;
	PG_TRY();
	{
		if (next_start)
			next_start(query, flags);
		else
			standard_ExecutorStart(query, flags);
	}
	PG_FINALLY();
	{
		starting--;
	}
	PG_END_TRY();
}

static void
tell(Oid relation, AclMode rights, bool updates, Oid checked)
{
	/* FOR UPDATE wants the right, too, and updates no column. */
	const char *what = (rights & ACL_INSERT) ? "INSERT" : (rights & ACL_DELETE) ? "DELETE" : (rights & ACL_UPDATE) && updates ? "UPDATE" : NULL;

	if (what != NULL)
		ereport(NOTICE, (errmsg("%s %s as %s%s", what, get_rel_name(relation),
								GetUserNameFromId(OidIsValid(checked) ? checked : GetUserId(), false), starting > 0 ? "" : ", outside of a statement")));
}

#if PG_VERSION_NUM >= 160000
static bool
check(List *tables, List *rights, bool complain)
{
	ListCell *cell;

	foreach(cell, rights)
	{
		RTEPermissionInfo *info = lfirst_node(RTEPermissionInfo, cell);

		tell(info->relid, info->requiredPerms, info->updatedCols != NULL, info->checkAsUser);
	}
	return next_check == NULL || next_check(tables, rights, complain);
}
#else
static bool
check(List *tables, bool complain)
{
	ListCell *cell;

	foreach(cell, tables)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_RELATION)
			tell(entry->relid, entry->requiredPerms, entry->updatedCols != NULL, entry->checkAsUser);
	}
	return next_check == NULL || next_check(tables, complain);
}
#endif

void
_PG_init(void)
{
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = start;
	next_check = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check;
}
