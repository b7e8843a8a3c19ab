package httpapi

import (
	"embed"
	"net/http"
	"strings"
)

// pages are the front page, and the reference page, which shows /openapi.json. Nothing in them comes from elsewhere.
//
//go:embed pages
var pages embed.FS

// addPages serves what is not the API itself.
func (s *Service) addPages(mux *http.ServeMux) {
	s.addHealth(mux)
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		public(w, "application/jwk-set+json", s.Keys.PublicJWKS())
	})
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		public(w, "application/json", s.openapi())
	})
	mux.HandleFunc("GET /pay/{order}/qr.svg", s.orderQR)
	for path, name := range map[string]string{
		"/{$}": "home.html", "/home.css": "home.css",
		"/docs": "docs.html", "/docs/docs.css": "docs.css", "/docs/docs.js": "docs.js",
	} {
		mux.HandleFunc("GET "+path, file(name))
	}
}

// contentTypes of the pages' files.
var contentTypes = map[string]string{"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}

// file serves one embedded file.
func file(name string) http.HandlerFunc {
	text, err := pages.ReadFile("pages/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	kind := contentTypes[name[strings.LastIndex(name, ".")+1:]]
	return func(w http.ResponseWriter, _ *http.Request) { public(w, kind, text) }
}

// public answers what everybody may have and keep for a while.
func public(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(body)
}
