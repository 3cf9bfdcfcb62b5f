package slackemulator_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/muster-id/muster/internal/slackemulator"
)

// A test starts the emulator behind real HTTP, lets its client work, and looks at what came of it.
func Example() {
	e := slackemulator.New(slackemulator.Options{LimitsOff: true})
	server := httptest.NewServer(e)
	defer server.Close()

	fault, err := slackemulator.ParseFault("invited-user-not-created")
	if err != nil {
		fmt.Println(err)
		return
	}
	e.Inject(fault)

	for range 2 { // the first try meets the fault
		body := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada","emails":["ada@example.org"]}`
		request, err := http.NewRequest(http.MethodPost, server.URL+"/scim/v2/Users", strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		request.Header.Set("Authorization", "Bearer "+slackemulator.DefaultToken)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		fmt.Println(response.Status)
	}
	ada, _ := e.User("ada@example.org")
	fmt.Println(ada.UserName, ada.Active, e.Requests()["POST /scim/v2/Users"])
	// Output:
	// 400 Bad Request
	// 201 Created
	// ada true 2
}
