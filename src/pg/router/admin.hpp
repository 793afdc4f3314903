// What the router's own functions share: its tables, statements on them, and what a session that
// opens a departure tells them.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// Quoted, with the schema.
struct RouterTables {
    Oid schema;
    const char* node;
    const char* train;
    const char* item;
    const char* station;
    const char* moved;
};
RouterTables router_tables(FunctionCallInfo fcinfo);

// Runs a statement with a plan that the session keeps, on what is committed now and what this
// transaction has done. Inside SPI.
void run(const char* sql, int count = 0, const Oid* types = nullptr, const Datum* values = nullptr,
         const char* nulls = nullptr);
// A column of the first row that it returned, counted from 1; not NULL.
int int_result(int column);

// 22023 if there is no such node.
void require_node(const RouterTables& tables, int node);

// A node as router_node has it.
struct RouterNode {
    int node;
    bool has_read;  // searches have a place of their own
    bool via_same;  // the router goes there as clients do
};
// All nodes, in order. Inside SPI.
RouterNode* list_nodes(const RouterTables& tables, int* count);

// To be called after ticket_open through the router: searches find the departure at once. Does not
// fail, because the departure is on sale; what it can't find out is a WARNING, and so is a cancel.
void note_departure(const RouterTables& tables, int node, const char* train, const char* date);

// Whether router_station is what the node serves: null, or what is wrong and what to do. Inside
// SPI.
const char* served_problem(const RouterTables& tables, int node);

}  // namespace ticketpool
