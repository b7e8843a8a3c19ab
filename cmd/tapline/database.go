package main

import (
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"tapline/sqlstore"
)

// databaseFlags say where everything is kept.
type databaseFlags struct {
	DB             string `help:"SQLite database file, or the URL of a PostgreSQL database without a password." default:"tapline.db" env:"TAPLINE_DB" type:"database" placeholder:"FILE|URL"`
	DBPasswordFile string `name:"db-password-file" help:"File (0600) with the password for the PostgreSQL server; or use PGPASSWORD or ~/.pgpass." env:"TAPLINE_DB_PASSWORD_FILE" type:"path" placeholder:"FILE"`
}

// check refuses a URL with a password. The parser cannot: it repeats what it refuses.
func (f databaseFlags) check() error {
	if !sqlstore.IsServer(f.DB) {
		return nil
	}
	if err := sqlstore.CheckURL(f.DB); err != nil {
		text, hint, _ := strings.Cut(err.Error(), "; hint: ")
		return &usageError{"--db: " + text, hint}
	}
	return nil
}

func (f databaseFlags) options(o sqlstore.Options) sqlstore.Options {
	o.PasswordFile = f.DBPasswordFile
	return o
}

// decodeDatabase takes a file's name, and makes it absolute, or a URL.
func decodeDatabase(ctx *kong.DecodeContext, target reflect.Value) error {
	var database string
	if err := ctx.Scan.PopValueInto("database", &database); err != nil {
		return err
	}
	if database != "" && !sqlstore.IsServer(database) {
		database = kong.ExpandPath(database)
	}
	target.SetString(database)
	return nil
}
