package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has used since it began. What the system does not tell is zero.
type Usage struct {
	CPU        time.Duration `json:"cpu_ns"`
	Allocated  uint64        `json:"allocated_bytes"`
	Objects    uint64        `json:"allocated_objects"`
	Written    uint64        `json:"written_bytes"` // to disks
	Resident   uint64        `json:"resident_bytes"`
	CollectCPU time.Duration `json:"gc_cpu_ns"`
}

// since is what was used between two looks. Resident is not a sum: it is the later one.
func (u Usage) since(before Usage) Usage {
	return Usage{
		CPU: u.CPU - before.CPU, Allocated: u.Allocated - before.Allocated, Objects: u.Objects - before.Objects,
		Written: u.Written - before.Written, Resident: u.Resident, CollectCPU: u.CollectCPU - before.CollectCPU,
	}
}

// usage is what this process has used.
func usage() Usage {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/allocs:objects"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(samples)
	return Usage{
		CPU: processCPU(), Allocated: samples[0].Value.Uint64(), Objects: samples[1].Value.Uint64(),
		CollectCPU: time.Duration(samples[2].Value.Float64() * float64(time.Second)),
		Written:    procField("/proc/self/io", "write_bytes:"), Resident: 1024 * procField("/proc/self/status", "VmRSS:"),
	}
}

// tick is the unit of CPU time in /proc (proc(5)), which Linux has told as that everywhere for long.
const tick = 10 * time.Millisecond

// treeUsage is what a process and its children have used, those that have ended included: CPU time and bytes written to
// disks. Memory that they share cannot be told apart.
func treeUsage(pid int) (u Usage) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return Usage{}
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		_, rest, _ := bytes.Cut(text, []byte(") ")) // the name before may have spaces
		fields := strings.Fields(string(rest))
		if err != nil || len(fields) < 15 {
			continue // it has ended
		}
		number := func(i int) int { n, _ := strconv.Atoi(fields[i-3]); return n } // numbered as in proc(5)
		self := filepath.Base(filepath.Dir(path)) == strconv.Itoa(pid)
		if !self && number(4) != pid {
			continue
		}
		ticks := number(14) + number(15)
		if self {
			ticks += number(16) + number(17) // of children that have ended
		}
		u.CPU += time.Duration(ticks) * tick
		u.Written += procField(filepath.Join(filepath.Dir(path), "io"), "write_bytes:")
	}
	return u
}

// procField reads a number out of one of Linux' files about this process (proc(5)); 0 where there is none.
func procField(file, name string) uint64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) > 1 && string(fields[0]) == name {
			n, _ := strconv.ParseUint(string(fields[1]), 10, 64) // zero, if the system says something else
			return n
		}
	}
	return 0
}
