package slackemulator

import "net/http"

func (e *Emulator) adminHandler() http.Handler { return http.NotFoundHandler() }

func (e *Emulator) consentPage(c *call, form map[string][]string, wrong string) *reply {
	return webRefusal(wrong)
}
