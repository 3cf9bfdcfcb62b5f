package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// envScreenshots names the directory that pictures of the pages are written to, by `make screenshots`.
const envScreenshots = "MUSTER_SCREENSHOTS"

// Every page of the tour that has a name is photographed as it is seen first: on a laptop and on a telephone, light and dark.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv(envScreenshots)
	if dir == "" {
		return // no picture is wanted, and nothing is left untested: accessibility_test.go goes the same tour
	}
	tr := newTour(t)
	v := visit(t, tr.base)
	walk := func(stops []stop) {
		for _, s := range stops {
			if s.name == "" {
				continue
			}
			for _, l := range views {
				v.as(l)
				v.goTo(s)
				var picture []byte
				v.run("photographing "+s.path, chromedp.ActionFunc(func(ctx context.Context) (err error) {
					picture, err = page.CaptureScreenshot().WithFormat(page.CaptureScreenshotFormatWebp).WithQuality(75).Do(ctx)
					return err
				}))
				if err := os.WriteFile(filepath.Join(dir, s.name+"-"+l.name+".webp"), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	walk(tr.outside)
	tr.enter(v)
	walk(tr.inside)
}
