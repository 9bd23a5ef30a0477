// Command pause holds a pod's namespaces open until it is told to end.
package main

import (
	"context"
	"os/signal"
	"syscall"
)

func main() {
	done, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	<-done.Done()
}
