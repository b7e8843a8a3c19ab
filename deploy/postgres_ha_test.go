//go:build linux

package deploy_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPatroniSettingsFitTogether looks at the template that operators fill in. make test-ha has Patroni run with it.
func TestPatroniSettingsFitTogether(t *testing.T) {
	template, cluster, page := read(t, "postgres-ha/patroni.yml"), read(t, "postgres-ha/cluster"), read(t, "../docs/operate-ha.md")
	words := slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`@[A-Z_]+@`).FindAllString(template, -1))))
	if len(words) < 10 {
		t.Fatalf("the template has the words %v", words)
	}
	for _, w := range words {
		if !strings.Contains(cluster, w) {
			t.Errorf("cluster does not fill in %s", w)
		}
		if !strings.Contains(page, "`"+w+"`") && !strings.HasSuffix(w, "_PASSWORD@") {
			t.Errorf("docs/operate-ha.md does not say what %s is", w)
		}
	}
	number := func(name string) int {
		found := regexp.MustCompile(`\n    ` + name + `: (\d+)\n`).FindStringSubmatch(template)
		if found == nil {
			t.Fatalf("there is no %s", name)
		}
		n, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	// https://patroni.readthedocs.io/en/latest/dynamic_configuration.html: otherwise a primary may outlive its key.
	if ttl, loop, retry := number("ttl"), number("loop_wait"), number("retry_timeout"); loop+2*retry > ttl {
		t.Errorf("loop_wait %d + 2 * retry_timeout %d is more than ttl %d", loop, retry, ttl)
	}
	for _, want := range []string{"synchronous_mode: true", "synchronous_mode_strict: true", `synchronous_commit: "on"`, `fsync: "on"`,
		`full_page_writes: "on"`, "primary_start_timeout: 0", "data-checksums"} {
		if !strings.Contains(template, want) {
			t.Errorf("the template lacks %s", want)
		}
	}
	if strings.Contains(template, "trust") || regexp.MustCompile(`- host(nossl)? `).MatchString(template) {
		t.Error("the template lets somebody in without a password or without TLS")
	}
	run(t, nil, "bash", "-n", "postgres-ha/cluster")
}
