package main

import "runtime"

// versionCmd prints the version.
type versionCmd struct{ jsonFlag }

// Run prints the version.
func (cmd *versionCmd) Run(a *app) error {
	if cmd.JSON {
		return a.printJSON(map[string]string{"version": version, "go": runtime.Version()})
	}
	return a.print("tapline %s (%s, %s/%s)", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
