package main

import (
	"github.com/rogpeppe/go-internal/testscript"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// alter runs SQL on a database's file, as somebody would who may do anything with it: alter books.db SQL.
func alter(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: alter file SQL")
	}
	conn, err := sqlite.OpenConn(ts.MkAbs(args[0]), sqlite.OpenReadWrite)
	ts.Check(err)
	err = sqlitex.ExecuteScript(conn, args[1], nil)
	ts.Check(conn.Close())
	ts.Check(err)
}
