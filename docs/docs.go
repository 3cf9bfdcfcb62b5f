// Package docs holds Muster's documentation, so that the binary has it with it. The pages are written
// to be read where they lie, too.
package docs

import "embed"

// Files are the pages and what they show, by their names below docs.
//
//go:embed *.md */*
var Files embed.FS
