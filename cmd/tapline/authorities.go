package main

import (
	"fmt"
	"log/slog"
	"os"

	"tapline/card/oda"
)

// checkProofs looks at the settings of payment cards' proofs.
func (o *serviceOptions) checkProofs() error {
	switch {
	case o.TapCountry > 999:
		return &usageError{"--tap-country: want an ISO 3166-1 numeric code, 1 to 999", "156 is China, 276 Germany, 840 the United States"}
	case o.CAPKTest && o.CAPK == "":
		return &usageError{"--capk-test needs --capk", "name the file that has the test keys"}
	case o.CAPKTest && o.Environment == "live":
		return &usageError{"--capk-test is refused in the live environment", "anybody can make cards that test keys verify"}
	}
	return nil
}

// loadAuthorities are the keys that payment cards are verified with: those in a file, or the built-in ones without.
func loadAuthorities(path string, test bool) (*oda.Authorities, error) {
	if path == "" {
		return oda.BuiltIn(), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, withHint(fmt.Errorf("--capk: %w", err), "name a JSON file of the card schemes' keys; docs/cards.md has its form")
	}
	defer file.Close()
	load := oda.LoadAuthorities
	if test {
		load = oda.LoadTestAuthorities
	}
	keys, err := load(file)
	if err != nil {
		return nil, withHint(fmt.Errorf("--capk %s: %w", path, err), "docs/cards.md has the form of the file")
	}
	return keys, nil
}

// tellAuthorities warns of test keys and of a service that can verify no payment card.
func tellAuthorities(log *slog.Logger, a *oda.Authorities) {
	test, keys := 0, a.Keys()
	for _, k := range keys {
		if k.Test {
			test++
		}
	}
	switch {
	case test > 0:
		log.Warn("TEST KEYS of card schemes are trusted: anybody can make payment cards that this service takes for genuine", "test_keys", test)
	case len(keys) == 0:
		log.Warn("no key of a card scheme is known: payment cards cannot prove themselves")
	}
	log.Info("card schemes' authority keys", "keys", len(keys), "test_keys", test)
}
