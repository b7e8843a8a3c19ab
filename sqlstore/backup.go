package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
)

// backupStep is how many pages are copied between two looks at the context: some megabytes.
const backupStep = 1024

// Backup copies the SQLite database in a file to a new file, which only its owner can read, while a service runs on it:
// what was committed before Backup began, and nothing later. It uses SQLite's online backup
// (https://www.sqlite.org/backup.html) inside a transaction that reads, so that it never begins anew. The service goes
// on writing to its log, which grows meanwhile.
//
// progress is told the pages copied and all of them; it may be nil. The copy appears under its name when it is whole
// and on disk. It is an error if there is such a file already.
func Backup(ctx context.Context, path, to string, progress func(done, all int)) (err error) {
	if IsServer(path) {
		return errors.New("a PostgreSQL server has its own backups; hint: use pg_basebackup or pg_dump, see docs/operate.md")
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s: %w; hint: name a new file", to, fs.ErrExist), err)
	}
	source, err := openSQLite(ctx, path, Options{ReadOnly: true, Readers: 1}, migrations, true)
	if err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, source.close()) }()
	beside, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+"-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(beside.Name()) }() // gone if all went well
	err = source.view(ctx, func(s session) error {
		return s.(*sqliteConn).copyTo(ctx, beside.Name(), progress)
	})
	if err = errors.Join(err, beside.Sync(), beside.Close()); err != nil {
		return err
	}
	// Link does not replace a file that was made meanwhile, as Rename would.
	if err := os.Link(beside.Name(), to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

// copyTo copies what the transaction reads to an empty file.
func (c *sqliteConn) copyTo(ctx context.Context, file string, progress func(done, all int)) (err error) {
	if _, err := readMeta(c); err != nil { // from now on the transaction has its snapshot
		return err
	}
	to, err := sqlite.OpenConn(file, sqlite.OpenReadWrite)
	if err != nil {
		return sqliteError("open the copy", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	backup, err := sqlite.NewBackup(to, "", c.conn, "")
	if err != nil {
		return sqliteError("backup", err)
	}
	defer func() { err = errors.Join(err, backup.Close()) }()
	for more := true; more; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if more, err = backup.Step(backupStep); err != nil {
			return sqliteError("backup", err)
		}
		if progress != nil {
			progress(backup.PageCount()-backup.Remaining(), backup.PageCount())
		}
	}
	return nil
}

func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
