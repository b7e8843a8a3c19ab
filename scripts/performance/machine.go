package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"tapline/internal/pgserver"
)

// machine is where something was measured. What the system does not tell is empty.
type machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	Memory     string `json:"memory"`
	Kernel     string `json:"kernel"`
	FileSystem string `json:"file_system"`
	Go         string `json:"go"`
	SQLite     string `json:"sqlite"` // the module that has it
	Postgres   string `json:"postgres"`
}

// thisMachine looks at this machine, with a folder for what is measured and a program that is.
func thisMachine(dir, program string) machine {
	m := machine{
		CPU: after("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: memoryOf(after("/proc/meminfo", "MemTotal")),
		Kernel: runtime.GOOS + " " + firstLine("/proc/sys/kernel/osrelease"), FileSystem: fileSystem(dir),
	}
	if info, err := buildinfo.ReadFile(program); err == nil {
		m.Go = info.GoVersion
		for _, d := range info.Deps {
			if d.Path == "modernc.org/sqlite" {
				m.SQLite = d.Path + " " + d.Version
			}
		}
	}
	if path, err := pgserver.Program("postgres"); err == nil {
		if out, err := exec.Command(path, "--version").Output(); err == nil {
			m.Postgres = strings.TrimSpace(strings.TrimPrefix(string(out), "postgres (PostgreSQL) "))
		}
	}
	return m
}

// after is what stands behind the first "name:" in a file.
func after(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		key, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func memoryOf(text string) string {
	var kib float64
	if n, _ := fmt.Sscanf(text, "%f kB", &kib); n != 1 {
		return text
	}
	return fmt.Sprintf("%.1f GiB", kib/(1<<20))
}

func firstLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// fileSystem is the kind of the file system that a folder is on: that of the longest mount point above it (proc(5)).
func fileSystem(dir string) (kind string) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return ""
	}
	longest := ""
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 2 && len(fields[1]) >= len(longest) && strings.HasPrefix(dir+"/", strings.TrimSuffix(fields[1], "/")+"/") {
			longest, kind = fields[1], fields[2]
		}
	}
	return kind
}
