package main

import (
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// version is which program this is.
type version struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Time     string `json:"time"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// versionOf reads what the Go toolchain wrote into the binary.
func versionOf() version {
	v := version{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			v.Revision = setting.Value
		case "vcs.time":
			v.Time = setting.Value
		case "vcs.modified":
			v.Modified = setting.Value == "true"
		}
	}
	return v
}

// Run implements the verb.
func (c *versionCmd) Run(s *session) error {
	v := versionOf()
	s.show(v, func() {
		s.say("muster %s (%s, %s)", v.Version, v.Go, v.Platform)
		if v.Revision != "" {
			s.say("revision %s of %s", v.Revision, v.Time)
		}
	})
	return nil
}
