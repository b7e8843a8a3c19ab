package pgserver

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is whom a server runs as; nil for whoever runs this program.
type account struct{ *syscall.Credential }

// attributes are those of its processes. An interrupt from the terminal is for whoever started them to heed.
func (a account) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.Credential, Setpgid: true}
}

// own makes a file the account's.
func (a account) own(path string) error {
	if a.Credential == nil {
		return nil
	}
	return os.Chown(path, int(a.Uid), int(a.Gid))
}

// endWithThread has a process told to stop when the thread ends that started it.
func endWithThread(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGINT }

// unprivileged is who runs a server: nobody else than whoever runs this program, unless that is root, which PostgreSQL
// refuses.
func unprivileged() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	var errs []error
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return account{}, err
		}
		return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, errors.Join(errs...)
}
