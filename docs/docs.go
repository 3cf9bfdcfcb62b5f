// Package docs holds Muster's documentation, so that the binary has it with it. The pages are written
// to be read where they lie, too.
package docs

import "embed"

// Files are the pages and what they show, by their names below docs. Of the pictures, which `make screenshots` takes of every page in
// four ways, only those that a page shows are in the binary.
//
//go:embed *.md decisions grafana prometheus
//go:embed images/home-light.webp images/user-light.webp images/outbound-provisioning-light.webp images/provisioning-light.webp
//go:embed images/mapping-light.webp images/plan-light.webp images/home-phone-dark.webp images/explain-light.webp
var Files embed.FS
