package connector_test

import (
	"testing"

	"github.com/muster-id/muster/internal/connector"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct{ plain, allowed bool }{
		"127.0.0.1:25":                {true, true},
		"10.1.2.3:443":                {true, true},
		"203.0.113.9:443":             {true, true},
		"[2001:db8::1]:443":           {true, true},
		"169.254.169.254:80":          {false, true},
		"[::ffff:169.254.169.254]:80": {false, true},
		"[fe80::1%eth0]:80":           {false, true},
		"[fd00:ec2::254]:80":          {false, true},
		"[fd00:ec2::23]:80":           {false, true},
		"[fd20:ce::254]:80":           {false, true},
		"168.63.129.16:80":            {false, true},
		"[64:ff9b::a9fe:a9fe]:80":     {false, true}, // 169.254.169.254, by NAT64
		"[64:ff9b:1::a9fe:a9fe]:80":   {false, true},
		// As a gateway reads it whose network has 48 bits.
		"[64:ff9b:1:a9fe:a9:fe00:808:808]:80": {false, true},
		"[2002:a9fe:a9fe::1]:80":              {false, true}, // by 6to4
		"[::a9fe:a9fe]:80":                    {false, true},
		"[64:ff9b::cb00:7109]:443":            {true, true}, // 203.0.113.9
		"[::1]:80":                            {true, true},
		"100.100.100.200:80":                  {false, true},
		"192.0.0.192:80":                      {false, true},
		"0.0.0.0:80":                          {false, false},
		"[::]:80":                             {false, false},
		"224.0.0.1:80":                        {false, false},
		"[ff02::1]:80":                        {false, false},
		"nonsense":                            {false, false},
	} {
		if ok := connector.Guard(false)("tcp", address, nil) == nil; ok != want.plain {
			t.Errorf("%s is let through: %v", address, ok)
		}
		if ok := connector.Guard(true)("tcp", address, nil) == nil; ok != want.allowed {
			t.Errorf("%s is let through where link-local is allowed: %v", address, ok)
		}
	}
}
