package sqlstore

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// TestMigrationsOfFixturesNeverChange holds on to the schemas that databases are kept of in cmd/tapline/testdata/upgrade.
func TestMigrationsOfFixturesNeverChange(t *testing.T) {
	for version, want := range map[int]string{
		1: "dfcb43f2abb0cda61e538f1b4211cf2d942aad46993413149b6cb76fa09808be",
	} {
		sum := sha256.Sum256([]byte(migrations[version-1].text))
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("migration %d has changed (%s): add another one that leads from it to what you want", version, got)
		}
	}
}
