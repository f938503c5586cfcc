package daemon

import "strings"

// eventKey is the key of an event in the log, otherEvent what it is for messages that have none.
const (
	eventKey   = "event"
	otherEvent = "other"
)

// eventOf returns the key of a message: what alerts and searches can rely on, while messages are reworded. A test holds that every message of the program
// has one.
func eventOf(message string) string {
	if key, ok := events[message]; ok {
		return key
	}
	for beginning, key := range begun {
		if strings.HasPrefix(message, beginning) {
			return key
		}
	}
	return otherEvent
}

// begun are messages that go on with what was found.
var begun = map[string]string{
	"policy refused: ": "policy.refused",
	"plugin: ":         "plugin.warning",
	"the journal was made by an earlier version, and its file keeps its size": "journal.rewrite_needed",
}

// events are the messages of the program, by part. Several may have one key, if they are about one thing.
var events = map[string]string{
	"serving": "gateway.serving",
	"stopping: no new work; running commands get a grace": "gateway.stopping",
	"stopped":                  "gateway.stopped",
	"a listener failed":        "gateway.listener_failed",
	"a listener did not close": "gateway.listener_open",
	"told to hurry: what still runs is killed":                   "gateway.hurried",
	"some commands did not end within the grace and were killed": "gateway.grace_over",
	"sandbox": "gateway.sandbox",
	"the sandbox of the default profile lacks a feature on this host; see `sidegate doctor`":    "gateway.sandbox_lacks",
	"OBSERVE MODE: what the policy denies runs all the same, until the time given":              "gateway.observing",
	"observe mode is over: the policy is enforced; set policy.mode to enforce":                  "gateway.observe_over",
	"no sign of life for the service manager, which will start the gateway again if this lasts": "gateway.watchdog",
	"the service manager cannot be told how the gateway fares":                                  "gateway.manager_unreachable",
	"expired nonces could not be removed":                                                       "gateway.tidy_failed",
	"old jobs could not be removed":                                                             "gateway.tidy_failed",
	"forgot old jobs, as retention says":                                                        "gateway.jobs_forgotten",

	"SIGHUP: clients, plugins, chains and policies were reloaded":         "reload.done",
	"a file changed: clients, plugins, chains and policies were reloaded": "reload.done",
	"SIGHUP: the reload failed":                                           "reload.failed",
	"a file changed, and the reload failed":                               "reload.failed",
	"clients changed":                                                     "reload.clients",
	"files cannot be watched; send SIGHUP after an edit":                  "reload.unwatched",
	"a directory cannot be watched; send SIGHUP after an edit":            "reload.unwatched",
	"policy directory cannot be watched; send SIGHUP after an edit":       "reload.unwatched",
	"policy watch": "reload.unwatched",

	"refused":                               "request.refused",
	"refused because":                       "request.refused_because",
	"a signature was refused":               "request.signature_refused",
	"decided, without running":              "request.decided",
	"answered by a plugin, without running": "request.answered",
	"observed: the policy denies this command, and it runs":                     "request.observed",
	"a request was refused because the journal cannot be written":               "request.not_recorded",
	"a caller did not get what it asked for":                                    "request.failed",
	"content was not sent":                                                      "request.cut_off",
	"the caller left before the reply was sent":                                 "request.caller_left",
	"a reply is cut off, because the output of its command cannot be read back": "request.cut_off",

	"job ended":                                "job.ended",
	"cancelled":                                "job.cancelled",
	"a job could not be started":               "job.not_started",
	"a waiting job cannot start yet":           "job.delayed",
	"a waiting job is left for the next start": "job.left_waiting",
	"refused when its turn came":               "job.refused",
	"the caller left, and its command ends with that, as the policy says": "job.caller_left",
	"the caller of a job left its events, or was too slow":                "job.follower_left",
	"a job panicked": "job.panicked",
	"the outcome of a job cannot be recorded yet":                                         "job.outcome_delayed",
	"the outcome of a job is recorded at last":                                            "job.outcome_late",
	"the end of an earlier job cannot be recorded yet":                                    "job.outcome_delayed",
	"the outcome of a job was not recorded; the next start will report it as interrupted": "job.outcome_lost",
	"the output of a command is lost, because it cannot be read back":                     "job.output_lost",
	"the output of a command is withheld, because of a plugin":                            "job.output_withheld",
	"recovered the journal":                                                               "job.recovered",
	"killed processes that interrupted jobs left behind":                                  "job.leftovers_killed",
	"processes that interrupted jobs left behind may still run":                           "job.leftovers",
	"private directories of earlier jobs could not be removed":                            "job.directories_left",

	"callback delivered":             "callback.delivered",
	"callback retry":                 "callback.retry",
	"callback dead":                  "callback.dead",
	"a callback was asked for again": "callback.asked_again",
	"a callback was not asked for again because the journal cannot be written": "callback.not_asked_again",
	"a callback was not sent, because of a plugin":                             "callback.not_sent",
	"cannot record the outcome of a callback, which may be delivered again":    "callback.not_recorded",
	"cannot read who callbacks are due for":                                    "callback.unreadable",
	"cannot read the callbacks that are due":                                   "callback.unreadable",

	"policy activated": "policy.activated",
	"policy activated, but something in it looks like a mistake":                  "policy.warning",
	"policy sources are in order again":                                           "policy.mended",
	"the policy is not complete yet":                                              "policy.incomplete",
	"the policy failed to answer":                                                 "policy.fault",
	"the policy failed because":                                                   "policy.fault_because",
	"policy print":                                                                "policy.print",
	"policy bundle read from disk":                                                "policy.bundle_from_disk",
	"a policy that is still being loaded is abandoned":                            "policy.abandoned",
	"decisions of this policy are made anew for each request, which takes longer": "policy.not_kept",
	"a remote policy bundle is taken without a signature: whoever controls the server, or the way to it, decides what runs here": "policy.bundle_unsigned",

	"plugins loaded":                                     "plugin.loaded",
	"plugins: generation closed":                         "plugin.unloaded",
	"plugin did not close":                               "plugin.not_closed",
	"plugin says":                                        "plugin.says",
	"plugin failed":                                      "plugin.failed",
	"plugin is busy":                                     "plugin.busy",
	"plugins failed and were skipped":                    "plugin.skipped",
	"a plugin failed, and the request was denied":        "plugin.denied",
	"a plugin was still called when the gateway stopped": "plugin.still_called",
	"plugin keeps failing for this client; calls in this phase fail at once for a while, but for responses": "plugin.breaker_open",

	"the audit does not know of it":                                                                                       "audit.not_recorded",
	"the audit does not know who cancelled a job":                                                                         "audit.not_recorded",
	"a new audit log begins; keep its public key on another host, to verify checkpoints with":                             "audit.new",
	"the audit log is not signed any more: keep a copy of the state directory as evidence, and run sidegate audit verify": "audit.broken",
	"no checkpoint of the audit log could be made; it is tried again":                                                     "audit.no_checkpoint",
	"a checkpoint of the audit log could not be sent; it is tried again":                                                  "audit.not_sent",
	"checkpoints of the audit log are sent again":                                                                         "audit.sent_again",
	"audit checkpoint": "audit.checkpoint",

	"the journal cannot be written":                                                                               "journal.failed",
	"new work is refused until there is room for it":                                                              "journal.full",
	"the disk is full: the ballast is given up so that jobs can end, and new work is refused":                     "journal.full",
	"the ballast could not be given up":                                                                           "journal.ballast",
	"the room of the ballast is taken already":                                                                    "journal.ballast",
	"what is stored of jobs could not be counted: none are forgotten because of their size, until the next start": "journal.uncounted",
	"journal: rollback after a failure":                                                                           "journal.rollback",
	"journal: the file gets shorter later":                                                                        "journal.tidy",
	"journal: what is stored is counted at the next start":                                                        "journal.tidy",
	"files that an earlier gateway left behind could not be looked for":                                           "journal.leftovers",
	"removed files that an earlier gateway left behind":                                                           "journal.leftovers_removed",
	"a file that is not needed any more could not be removed":                                                     "journal.leftovers",
	"the journal could not be rewritten, and its file keeps its size until that succeeds at a later start":        "journal.not_rewritten",

	"executor: a job did not end cleanly":                       "executor.unclean",
	"executor: a control group could not be emptied":            "executor.unclean",
	"executor: a private directory could not be removed":        "executor.unclean",
	"executor: a private directory cannot be made ahead":        "executor.directory",
	"executor: cannot signal the process group":                 "executor.signal",
	"executor: cannot wait for a job in the right way":          "executor.wait",
	"executor: closing control groups that are of no use":       "executor.cgroup",
	"executor: it is not known whether a job ran out of memory": "executor.cgroup",
	"executor: the rest of an output is not kept":               "executor.output",
	"cgroup: a group cannot be removed":                         "executor.cgroup",
	"cgroup: a group cannot be used again":                      "executor.cgroup",
	"reap: cannot look for strangers":                           "executor.reap",
	"reap: cannot wait for strangers":                           "executor.reap",
	"reap: waited for a stranger":                               "executor.reap",

	"some figures could not be had":                                                   "telemetry.figures",
	"figures about the journal cannot be looked up, and are left out of /metrics":     "telemetry.figures",
	"traces cannot be sent; requests go on, and spans are dropped when too many wait": "telemetry.traces_failed",
	"traces are sent again":             "telemetry.traces_sent_again",
	"the last traces could not be sent": "telemetry.traces_lost",
}
