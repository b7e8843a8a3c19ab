package main

import "tapline/sqlstore"

// migrateCmd is "tapline migrate".
type migrateCmd struct {
	databaseFlags `embed:""`
	Environment   string `help:"live, test or sandbox: what the database is for." enum:"live,test,sandbox" default:"test" env:"TAPLINE_ENVIRONMENT"`
	jsonFlag
}

// Help explains what to do before.
func (migrateCmd) Help() string {
	return `A new release that finds an older schema refuses to serve until this has been run. Stop the service and make a backup
first: there is no way back but the backup.

  tapline backup copy.db --no-check
  tapline migrate --db tapline.db

On PostgreSQL it also makes the tables, as the role that is to own them; services need no more than to use them.

  pg_dump --file copy.sql tapline
  tapline migrate --db postgres://tapline_owner@db.example/tapline

It is done at once or not at all. The release before this one still runs on the new schema.`
}

// Run migrates the database.
func (cmd *migrateCmd) Run(a *app) error {
	if err := cmd.check(); err != nil {
		return err
	}
	if !cmd.JSON {
		a.say("Migrating %s. There is no way back but a backup.", cmd.DB)
	}
	from, to, err := sqlstore.Migrate(a.ctx, cmd.DB, cmd.options(sqlstore.Options{Environment: cmd.Environment}))
	if err != nil {
		return err
	}
	if cmd.JSON {
		return a.printJSON(map[string]int{"from": from, "to": max(from, to)})
	}
	if from >= to {
		return a.print("nothing to do: the schema has version %d", from)
	}
	return a.print("the schema had version %d and has version %d now", from, to)
}
