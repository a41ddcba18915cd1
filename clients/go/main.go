// Runs a whole conversation against the daemon whose base URL is the argument, through the generated package.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"conversation/amplifierd"
)

const (
	nobody        = "non-existent-session-id"
	profileName   = "clients/base"
	directoryPath = "projects/atlas"
)

var (
	background = context.Background()
	next       = regexp.MustCompile(`<([^>]*)>; rel="next"`)
	noMetadata = map[string]any{}
	picture    = []byte{0x89, 'P', 'N', 'G', 0, 0xff, '\n'}
	messages   = []amplifierd.SendMessageRequest{
		message("What does “résumé” mean?", amplifierd.ROLE_USER, map[string]any{"source": "clients"}),
		message("A summary.", amplifierd.ROLE_ASSISTANT, noMetadata),
		message(`{"found": true}`, amplifierd.ROLE_TOOL, noMetadata),
	}
)

type conversation struct {
	client  *amplifierd.APIClient
	session *amplifierd.Session
}

func main() {
	c := conversation{client: connect(os.Args[1], os.Args[2:])}
	step("create a profile and a directory", c.prepare)
	step("read collections", c.readCollections)
	step("run with a collection", c.runWithCollection)
	step("create a session", c.create)
	step("read it back", c.readBack)
	step("send three messages", c.sendMessages)
	step("send parts", c.sendParts)
	step("correct and delete a message", c.correctMessage)
	step("send a file", c.sendFile)
	step("keep own ids, times and labels", c.keepOwnFacts)
	step("list the transcript", c.listTranscript)
	step("page back through the transcript", c.pageBack)
	step("export the session and import it", c.exportAndImport)
	step("list sessions page by page", c.listSessions)
	step("resume the session", c.resume)
	step("search, and look for old sessions", c.search)
	step("fork the session and end its branch", c.fork)
	step("read what few send", c.readOddities)
	step("read a session that does not exist", c.readNobody)
	step("send a message that breaks the schema", c.breakSchema)
	step("delete the session", c.delete)
	step("delete the directory and the profile", c.tidyUp)
	step("ask for health and status", c.askDaemon)
	fmt.Println("conversation passed")
}

func connect(baseURL string, keys []string) *amplifierd.APIClient {
	configuration := amplifierd.NewConfiguration()
	configuration.Servers = amplifierd.ServerConfigurations{{URL: baseURL}}
	for _, key := range keys {
		configuration.AddDefaultHeader("Authorization", "Bearer "+key)
	}
	return amplifierd.NewAPIClient(configuration)
}

func (c *conversation) prepare() error {
	body := amplifierd.NewCreateProfileRequest(profileName)
	provider := *amplifierd.NewModuleConfig("provider")
	provider.SetConfig(map[string]any{"limit": "7"})
	body.SetProviders([]amplifierd.ModuleConfig{provider})
	profile, _, err := c.client.ProfilesAPI.CreateProfile(background).CreateProfileRequest(*body).Execute()
	if err != nil {
		return err
	}
	// No collection has the module; only the response to a write reports it.
	warnings := profile.Warnings
	profile.Warnings = nil
	read, _, err := c.client.ProfilesAPI.GetProfile(background, profileName).Execute()
	if err != nil {
		return err
	}
	amplify := amplifierd.NewCreateDirectoryRequest(directoryPath)
	amplify.SetDefaultProfile(profileName)
	create := c.client.DirectoriesAPI.CreateAmplifiedDirectory(background)
	directory, _, err := create.CreateDirectoryRequest(*amplify).Execute()
	if err != nil {
		return err
	}
	found, _, err := c.client.DirectoriesAPI.GetAmplifiedDirectory(background, directoryPath).Execute()
	if err != nil {
		return err
	}
	return errors.Join(
		equal(profile.Name, profileName),
		equal(len(warnings), 1),
		equal(profile.SchemaVersion, int32(2)),
		equal(profile.Providers, body.Providers),
		equal(read, profile),
		equal(directory.RelativePath, directoryPath),
		equal(directory.GetDefaultProfileFrom(), directoryPath),
		equal(found, directory),
	)
}

func (c *conversation) readCollections() error {
	found, _, err := c.client.CollectionsAPI.ListCollections(background).Execute()
	if err != nil {
		return err
	}
	body := amplifierd.NewCreateCollectionRequest("clients/collection", "/srv/collection")
	_, response, err := c.client.CollectionsAPI.CreateCollection(background).CreateCollectionRequest(*body).Execute()
	problem, err := refused(response, err, http.StatusUnprocessableEntity)
	if err != nil {
		return err
	}
	if !strings.Contains(problem.Detail, "--collections-path") {
		return errors.New(problem.Detail)
	}
	_, response, err = c.client.CollectionsAPI.GetCollection(background, body.Identifier).Execute()
	if _, err := refused(response, err, http.StatusNotFound); err != nil {
		return err
	}
	return equal(len(found), 0)
}

func (c *conversation) runWithCollection() error {
	body := amplifierd.NewCreateCollectionRequest("clients/collection", os.Getenv("COLLECTION"))
	added, _, err := c.client.CollectionsAPI.CreateCollection(background).CreateCollectionRequest(*body).Execute()
	if err != nil {
		return err
	}
	read, _, err := c.client.CollectionsAPI.GetCollection(background, body.Identifier).Execute()
	if err != nil {
		return err
	}
	err = errors.Join(
		equal(added.Profiles, []string{"collection/base"}),
		equal(added.Modules, []string{"collection/tool/bash"}),
		equal(read, added),
		c.setSourceOfModule("collection/tool/bash"),
		c.makePlans("collection/base"),
	)
	if err != nil {
		return err
	}
	if _, err := c.client.CollectionsAPI.DeleteCollection(background, body.Identifier).Execute(); err != nil {
		return err
	}
	left, _, err := c.client.ModulesAPI.ListModules(background).Execute()
	return errors.Join(err, equal(len(left), 0))
}

func (c *conversation) setSourceOfModule(id string) error {
	modules := c.client.ModulesAPI
	listed, _, err := modules.ListModules(background).Type_(amplifierd.MODULETYPE_TOOL).Execute()
	if err != nil {
		return err
	}
	tools, _, err := modules.ListTools(background).Execute()
	if err != nil {
		return err
	}
	module, _, err := modules.GetModule(background, id).Execute()
	if err != nil {
		return err
	}
	first := amplifierd.NewModuleSourceRequest("git+https://example.com/a")
	source, _, err := modules.CreateModuleSource(background, id).ModuleSourceRequest(*first).Execute()
	if err != nil {
		return err
	}
	_, response, err := modules.CreateModuleSource(background, id).ModuleSourceRequest(*first).Execute()
	if _, err := refused(response, err, http.StatusConflict); err != nil {
		return err
	}
	second := amplifierd.NewModuleSourceRequest("git+https://example.com/b")
	replaced, _, err := modules.ReplaceModuleSource(background, id).ModuleSourceRequest(*second).Execute()
	if err != nil {
		return err
	}
	changed, _, err := modules.GetModule(background, id).Execute()
	if err != nil {
		return err
	}
	if _, err := modules.DeleteModuleSource(background, id).Execute(); err != nil {
		return err
	}
	response, err = modules.DeleteModuleSource(background, id).Execute()
	_, err = refused(response, err, http.StatusNotFound)
	return errors.Join(
		err,
		equal(len(listed), 1),
		equal(tools, listed),
		equal(module.Id, id),
		equal(module.Name, "tool-bash"),
		equal(module.GetCollection(), "clients/collection"),
		equal(len(module.Sources), 0),
		equal(source, amplifierd.NewModuleSource(id, amplifierd.MODULESCOPE_PROJECT, first.Source)),
		equal(changed.Sources, []amplifierd.ModuleSource{*replaced}),
	)
}

func (c *conversation) makePlans(profile string) error {
	overlay := amplifierd.NewAgentOverlay()
	overlay.SetContent("Be quick.")
	request := amplifierd.NewMountPlanRequest(profile)
	request.SetAgentOverlay(map[string]amplifierd.AgentOverlay{"zen": *overlay})
	generated, _, err := c.client.PlansAPI.GenerateMountPlan(background).MountPlanRequest(*request).Execute()
	if err != nil {
		return err
	}
	body := amplifierd.NewCreateSessionRequest()
	body.SetProfile(profile)
	session, _, err := c.client.SessionsAPI.CreateSession(background).CreateSessionRequest(*body).Execute()
	if err != nil {
		return err
	}
	plan, _, err := c.client.PlansAPI.GetSessionMountPlan(background, session.Id).Execute()
	if err != nil {
		return err
	}
	kernel, _, err := c.client.PlansAPI.GetSessionMountPlan(background, session.Id).Form("kernel").Execute()
	if err != nil {
		return err
	}
	if generated.MountPlan == nil || plan.MountPlan == nil || kernel.KernelPlan == nil {
		return errors.New("a plan has another form than was asked for")
	}
	if _, err := c.client.SessionsAPI.DeleteSession(background, session.Id).Execute(); err != nil {
		return err
	}
	agent := profile + ".agent.zen"
	changed, kept := generated.MountPlan.Agents[agent], plan.MountPlan.Agents[agent]
	return errors.Join(
		equal(len(generated.MountPlan.MountPoints), 2),
		equal(changed.GetContent(), "Be quick."),
		equal(kept.GetContent(), "You are calm."),
		equal(plan.MountPlan.Session.GetSessionId(), session.Id),
		equal(plan.MountPlan.Session.GetCreatedAt(), session.CreatedAt),
		equal(len(kernel.KernelPlan.Tools), 1),
		equal(kernel.KernelPlan.Tools[0].Module, "tool-bash"),
		equal(kernel.KernelPlan.Tools[0].Config, map[string]any{"timeout": 9.0}),
	)
}

func (c *conversation) tidyUp() error {
	_, err := c.client.DirectoriesAPI.DeleteAmplifiedDirectory(background, directoryPath).Execute()
	if err != nil {
		return err
	}
	if _, err := c.client.ProfilesAPI.DeleteProfile(background, profileName).Execute(); err != nil {
		return err
	}
	_, response, err := c.client.ProfilesAPI.GetProfile(background, profileName).Execute()
	problem, err := refused(response, err, http.StatusNotFound)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(problem.Detail, "Profile "+profileName+" not found") {
		return errors.New(problem.Detail)
	}
	return nil
}

func (c *conversation) create() (err error) {
	c.session, err = c.open()
	return err
}

func (c *conversation) open() (*amplifierd.Session, error) {
	body := amplifierd.NewCreateSessionRequest()
	body.SetContext(map[string]any{"task": "clients"})
	body.SetAmplifiedDir(directoryPath)
	session, _, err := c.client.SessionsAPI.CreateSession(background).CreateSessionRequest(*body).Execute()
	if err != nil {
		return nil, err
	}
	kept, _, err := c.client.SessionsAPI.GetSessionProfile(background, session.Id).Execute()
	if err != nil {
		return nil, err
	}
	return session, errors.Join(
		equal(session.Profile, profileName),
		equal(kept.Name, profileName),
		equal(session.Context, body.Context),
		equal(session.AmplifiedDir, *body.AmplifiedDir),
		equal(session.MessageCount, int64(0)),
	)
}

func (c *conversation) read() (*amplifierd.Session, error) {
	session, _, err := c.client.SessionsAPI.GetSession(background, c.session.Id).Execute()
	return session, err
}

func (c *conversation) readBack() error {
	session, err := c.read()
	if err != nil {
		return err
	}
	return equal(session, c.session)
}

func (c *conversation) sendMessages() error {
	for index, body := range messages {
		sent, _, err := c.send(c.session.Id, body)
		if err != nil {
			return err
		}
		if err := equal(sent.Sequence, int64(index+1)); err != nil {
			return err
		}
		if err := equal(sent.Metadata, body.Metadata); err != nil {
			return err
		}
	}
	return nil
}

func (c *conversation) send(id string, body amplifierd.SendMessageRequest) (*amplifierd.Message, *http.Response, error) {
	return c.client.MessagesAPI.SendMessage(background, id).SendMessageRequest(body).Execute()
}

func (c *conversation) sendParts() error {
	waiting, err := c.open()
	if err != nil {
		return err
	}
	text := amplifierd.NewTextPart(amplifierd.TEXTPARTTYPE_TEXT, "Let me look.")
	call := amplifierd.NewToolCallPart(amplifierd.TOOLCALLPARTTYPE_TOOL_CALL, "call_1", "weather", `{ "city": "Paris" }`)
	body := amplifierd.NewSendMessageRequest()
	body.SetRole(amplifierd.ROLE_ASSISTANT)
	body.SetParts([]amplifierd.Part{amplifierd.TextPartAsPart(text), amplifierd.ToolCallPartAsPart(call)})
	usage := amplifierd.NewUsageRequest()
	usage.SetInputTokens(120)
	usage.SetCost("0.0042")
	body.SetUsage(*usage)
	sent, _, err := c.send(waiting.Id, *body)
	if err != nil {
		return err
	}
	transcript, _, err := c.client.MessagesAPI.ListMessages(background, waiting.Id).OpenCalls(true).Execute()
	if err != nil {
		return err
	}
	var inputs []string
	for _, m := range transcript.Messages {
		for _, part := range m.Parts {
			if part.ToolCallPart != nil {
				inputs = append(inputs, part.ToolCallPart.Input)
			}
		}
	}
	read, _, err := c.client.SessionsAPI.GetSession(background, waiting.Id).Execute()
	if err != nil {
		return err
	}
	_, err = c.client.SessionsAPI.DeleteSession(background, waiting.Id).Execute()
	return errors.Join(
		err,
		equal(sent.Content, "Let me look."),
		equal(inputs, []string{call.Input}),
		equal(read.Usage.InputTokens, int64(120)),
		equal(read.Usage.GetCost()+read.Usage.GetCurrency(), "0.0042USD"),
	)
}

func (c *conversation) correctMessage() error {
	draft, err := c.open()
	if err != nil {
		return err
	}
	if _, _, err := c.send(draft.Id, message("Helo!", amplifierd.ROLE_USER, map[string]any{"kept": true})); err != nil {
		return err
	}
	patch := amplifierd.NewMessagePatch()
	patch.SetContent("Hello!")
	patch.SetMetadata(map[string]any{"rating": 5})
	edited, _, err := c.client.MessagesAPI.UpdateMessage(background, draft.Id, 1).MessagePatch(*patch).Execute()
	if err != nil {
		return err
	}
	_, response, err := c.client.MessagesAPI.DeleteMessage(background, draft.Id, 1).IfMatch(`"1"`).Execute()
	stale, err := refused(response, err, http.StatusPreconditionFailed)
	if err != nil {
		return err
	}
	left, _, err := c.client.MessagesAPI.DeleteMessage(background, draft.Id, 1).Execute()
	if err != nil {
		return err
	}
	_, err = c.client.SessionsAPI.DeleteSession(background, draft.Id).Execute()
	return errors.Join(
		err,
		equal(edited.Content, "Hello!"),
		equal(edited.GetVersion(), int64(2)),
		equal(edited.Metadata, map[string]any{"kept": true, "rating": float64(5)}),
		equal(edited.HasEditedAt(), true),
		equal(stale.GetVersion(), int64(2)),
		equal(left.Content, ""),
		equal(left.GetVersion(), int64(3)),
		equal(left.Metadata, noMetadata),
		equal(left.HasDeletedAt(), true),
	)
}

func (c *conversation) sendFile() error {
	upload, err := uploaded(picture)
	if err != nil {
		return err
	}
	defer os.Remove(upload.Name())
	file, _, err := c.client.FilesAPI.CreateFile(background).Media("image/png").Name("a.png").Body(upload).Execute()
	if err != nil {
		return err
	}
	showing, err := c.open()
	if err != nil {
		return err
	}
	part := amplifierd.NewFilePart(amplifierd.FILEPARTTYPE_FILE, file.Media, file.Url)
	body := amplifierd.NewSendMessageRequest()
	body.SetParts([]amplifierd.Part{amplifierd.FilePartAsPart(part)})
	if _, _, err := c.send(showing.Id, *body); err != nil {
		return err
	}
	whole, err := downloaded(c.client.FilesAPI.GetFile(background, file.Id))
	if err != nil {
		return err
	}
	middle, err := downloaded(c.client.FilesAPI.GetFile(background, file.Id).Range_("bytes=1-3"))
	if err != nil {
		return err
	}
	response, err := c.client.FilesAPI.DeleteFile(background, file.Id).Execute()
	if _, err := refused(response, err, http.StatusConflict); err != nil {
		return err
	}
	if _, err := c.client.SessionsAPI.DeleteSession(background, showing.Id).Execute(); err != nil {
		return err
	}
	left, _, err := c.client.FilesAPI.ListFiles(background).Execute()
	return errors.Join(
		err,
		equal(file.Size, int64(len(picture))),
		equal(file.GetName(), "a.png"),
		equal(whole, picture),
		equal(middle, picture[1:4]),
		equal(len(left), 0),
	)
}

func downloaded(request interface {
	Execute() (*os.File, *http.Response, error)
}) ([]byte, error) {
	file, _, err := request.Execute()
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	return io.ReadAll(file)
}

func (c *conversation) keepOwnFacts() error {
	began := time.Date(2023, 3, 1, 10, 0, 0, 0, time.FixedZone("", 3600))
	own := amplifierd.NewCreateSessionRequest()
	own.SetId("2489e9ad-2ee2-4e00-8ec9-32d5f69181c0")
	own.SetCreatedAt(began)
	own.SetLabels(map[string]string{"origin": "clients", "topic": "a:b"})
	kept, _, err := c.client.SessionsAPI.CreateSession(background).CreateSessionRequest(*own).Execute()
	if err != nil {
		return err
	}
	body := message("Hello!", amplifierd.ROLE_USER, map[string]any{})
	body.SetId("msg_1")
	body.SetTimestamp(began)
	sent, _, err := c.send(kept.Id, body)
	if err != nil {
		return err
	}
	_, answer, err := c.send(kept.Id, body)
	problem, err := refused(answer, err, 409)
	if err != nil {
		return err
	}
	transcript, _, err := c.client.MessagesAPI.ListMessages(background, kept.Id).Id("msg_1").Execute()
	if err != nil {
		return err
	}
	statuses := []amplifierd.SessionStatus{amplifierd.SESSIONSTATUS_ACTIVE, amplifierd.SESSIONSTATUS_FAILED}
	listed, response, err := c.client.SessionsAPI.ListSessions(background).
		Label([]string{"origin:clients", "topic"}).Status(statuses).Archived(false).Total(true).
		CreatedAfter(began.Add(-time.Second)).CreatedBefore(began.Add(time.Second)).Execute()
	if err != nil {
		return err
	}
	_, err = c.client.SessionsAPI.DeleteSession(background, kept.Id).Execute()
	return errors.Join(
		err,
		equal(kept.Id, own.GetId()),
		equal(kept.CreatedAt.Equal(began) && sent.Timestamp.Equal(began), true),
		equal(kept.GetLabels(), own.GetLabels()),
		equal(problem.GetSequence(), int64(1)),
		equal(len(transcript.Messages), 1),
		equal(len(listed), 1),
		equal(listed[0].LastMessage.Content, "Hello!"),
		equal(response.Header.Get("X-Total-Count"), "1"),
	)
}

func (c *conversation) listTranscript() error {
	transcript, _, err := c.client.MessagesAPI.ListMessages(background, c.session.Id).Execute()
	if err != nil {
		return err
	}
	var read []amplifierd.SendMessageRequest
	for _, m := range transcript.Messages {
		read = append(read, message(m.Content, m.Role, m.Metadata))
	}
	return errors.Join(equal(transcript.SessionId, c.session.Id), equal(read, messages))
}

func (c *conversation) exportAndImport() error {
	exported, err := downloaded(c.client.TransferAPI.ExportSession(background, c.session.Id))
	if err != nil {
		return err
	}
	report, _, err := c.imported(exported)
	if err != nil {
		return err
	}
	broken := bytes.Replace(exported, []byte(`"sequence":2`), []byte(`"sequence":"2"`), 1)
	_, response, err := c.imported(broken)
	problem, err := refused(response, err, http.StatusUnprocessableEntity)
	if err != nil {
		return err
	}
	return errors.Join(
		equal(report.Sessions, int64(0)),
		equal(report.Skipped, int64(1)),
		equal(problem.Errors[0].Pointer, "/message/sequence"),
	)
}

func (c *conversation) imported(content []byte) (*amplifierd.ImportReport, *http.Response, error) {
	upload, err := uploaded(content)
	if err != nil {
		return nil, nil, err
	}
	defer os.Remove(upload.Name())
	return c.client.TransferAPI.ImportSessions(background).OnConflict(amplifierd.ONCONFLICT_SKIP).Body(upload).Execute()
}

// uploaded is a file with this content, at its beginning.
func uploaded(content []byte) (*os.File, error) {
	file, err := os.CreateTemp("", "upload")
	if err != nil {
		return nil, err
	}
	_, err = file.Write(content)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	return file, err
}

func (c *conversation) pageBack() error {
	request := c.client.MessagesAPI.ListMessages(background, c.session.Id)
	page, _, err := request.Limit(2).BeforeSequence(3).Execute()
	if err != nil {
		return err
	}
	var sequences []int64
	for _, m := range page.Messages {
		sequences = append(sequences, m.Sequence)
	}
	return equal(sequences, []int64{1, 2})
}

func (c *conversation) listSessions() error {
	second, err := c.open()
	if err != nil {
		return err
	}
	request := c.client.SessionsAPI.ListSessions(background).Limit(1)
	first, response, err := request.Execute()
	if err != nil {
		return err
	}
	cursor, err := nextCursor(response.Header.Get("Link"))
	if err != nil {
		return err
	}
	rest, _, err := request.Cursor(cursor).Execute()
	if err != nil {
		return err
	}
	if err := equal(ids(append(first, rest...)), []string{second.Id, c.session.Id}); err != nil {
		return err
	}
	_, err = c.client.SessionsAPI.DeleteSession(background, second.Id).Execute()
	return err
}

func nextCursor(link string) (string, error) {
	target := next.FindStringSubmatch(link)
	if target == nil {
		return "", fmt.Errorf("%q is no link to the next page", link)
	}
	parsed, err := url.Parse(target[1])
	if err != nil {
		return "", err
	}
	return parsed.Query().Get("cursor"), nil
}

func ids(sessions []amplifierd.SessionSummary) []string {
	var found []string
	for _, session := range sessions {
		found = append(found, session.Id)
	}
	return found
}

func (c *conversation) resume() error {
	before, err := c.read()
	if err != nil {
		return err
	}
	resumed, _, err := c.client.SessionsAPI.ResumeSession(background, c.session.Id).Execute()
	if err != nil {
		return err
	}
	if !resumed.UpdatedAt.After(before.UpdatedAt) {
		return errors.New("updatedAt did not move on")
	}
	return equal(resumed.MessageCount, int64(3))
}

func (c *conversation) search() error {
	hits, _, err := c.client.SearchAPI.SearchMessages(background).Q("resum* mean").SessionId(c.session.Id).Execute()
	if err != nil {
		return err
	}
	if len(hits) != 1 || !strings.Contains(hits[0].Snippet, "<mark>résumé</mark>") {
		return fmt.Errorf("%v came where one message was expected", hits)
	}
	byMeaning := c.client.SearchAPI.SearchMessages(background).Q("resum* mean").Mode(amplifierd.SEARCHMODE_HYBRID)
	similar, _, err := byMeaning.SessionId(c.session.Id).Execute()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(similar, func(hit amplifierd.SearchHit) bool { return hit.Sequence == 1 }) {
		return fmt.Errorf("%v came without the first message", similar)
	}
	suggestions, _, err := c.client.SearchAPI.SuggestSearches(background).Q("resmue").Execute()
	if err != nil {
		return err
	}
	if len(suggestions) != 1 || suggestions[0].Q != "resume" {
		return fmt.Errorf("%v came where one suggestion was expected", suggestions)
	}
	body := amplifierd.NewCleanUpRequest(1)
	body.SetStatus([]amplifierd.SessionStatus{amplifierd.SESSIONSTATUS_ACTIVE})
	old, _, err := c.client.SessionsAPI.CleanUpSessions(background).CleanUpRequest(*body).Execute()
	if err != nil {
		return err
	}
	filter := amplifierd.NewSessionFilter()
	filter.SetIds([]string{c.session.Id})
	filter.SetRoots(true)
	selected := amplifierd.NewSessionDeletion(*filter)
	found, _, err := c.client.SessionsAPI.DeleteSessions(background).SessionDeletion(*selected).Execute()
	if err != nil {
		return err
	}
	return errors.Join(
		equal(old.DryRun, true),
		equal(old.Sessions, int64(0)),
		equal(found.DryRun, true),
		equal(strings.Join(found.SessionIds, " "), c.session.Id),
	)
}

func (c *conversation) fork() error {
	body := amplifierd.NewForkSessionRequest()
	body.SetAtSequence(1)
	body.SetName("Branch")
	request := c.client.SessionsAPI.ForkSession(background, c.session.Id)
	branch, _, err := request.ForkSessionRequest(*body).Execute()
	if err != nil {
		return err
	}
	lineage, _, err := c.client.SessionsAPI.GetSessionLineage(background, c.session.Id).Execute()
	if err != nil {
		return err
	}
	ended, _, err := c.client.SessionsAPI.CompleteSession(background, branch.Id).Execute()
	if err != nil {
		return err
	}
	_, response, err := c.send(branch.Id, messages[0])
	problem, err := refused(response, err, http.StatusConflict)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(problem.Detail, "resume it first") {
		return errors.New(problem.Detail)
	}
	if _, err := c.client.SessionsAPI.DeleteSession(background, branch.Id).Execute(); err != nil {
		return err
	}
	return errors.Join(
		equal(branch.GetParentSessionId(), c.session.Id),
		equal(branch.MessageCount, int64(1)),
		equal(ids(lineage.Children), []string{branch.Id}),
		equal(ended.Status, amplifierd.SESSIONSTATUS_COMPLETED),
	)
}

func (c *conversation) readOddities() error {
	summaries, _, err := c.client.SessionsAPI.ListSessions(background).Name("Oddity").Execute()
	if err != nil {
		return err
	}
	if len(summaries) < 2 {
		return errors.New("there are no oddities")
	}
	for _, summary := range summaries {
		session, _, err := c.client.SessionsAPI.GetSession(background, summary.Id).Execute()
		if err != nil {
			return err
		}
		transcript, _, err := c.client.MessagesAPI.ListMessages(background, summary.Id).Execute()
		if err != nil {
			return err
		}
		message := transcript.Messages[0]
		err = errors.Join(
			equal(message.Metadata, session.Context),
			equal(message.Content, "\x00\u2028\ufeff\u202e\U0001f600"),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *conversation) readNobody() error {
	return c.missing(nobody)
}

func (c *conversation) breakSchema() error {
	// The only schema violation that all languages allow: one metadata member too many.
	metadata := map[string]any{}
	for number := range 1025 {
		metadata[strconv.Itoa(number)] = number
	}
	_, response, err := c.send(c.session.Id, message("", amplifierd.ROLE_USER, metadata))
	problem, err := refused(response, err, http.StatusUnprocessableEntity)
	if err != nil {
		return err
	}
	if len(problem.Errors) != 1 {
		return fmt.Errorf("%d errors came where one was expected", len(problem.Errors))
	}
	return equal(problem.Errors[0].Pointer, "/metadata")
}

func (c *conversation) delete() error {
	response, err := c.client.SessionsAPI.DeleteSession(background, c.session.Id).Execute()
	if err != nil {
		return err
	}
	return errors.Join(equal(response.StatusCode, http.StatusNoContent), c.missing(c.session.Id))
}

func (c *conversation) askDaemon() error {
	live, _, err := c.client.ServiceAPI.GetLive(background).Execute()
	if err != nil {
		return err
	}
	health, _, err := c.client.ServiceAPI.GetHealth(background).Execute()
	if err != nil {
		return err
	}
	status, _, err := c.client.ServiceAPI.GetStatus(background).Execute()
	if err != nil {
		return err
	}
	return errors.Join(
		equal(live.Status, amplifierd.LIVENESSSTATUS_ALIVE),
		equal(health.Status, amplifierd.HEALTHSTATUS_HEALTHY),
		equal(status.Status, amplifierd.SERVICESTATE_RUNNING),
	)
}

func (c *conversation) missing(id string) error {
	_, response, err := c.client.SessionsAPI.GetSession(background, id).Execute()
	problem, err := refused(response, err, http.StatusNotFound)
	if err != nil {
		return err
	}
	return equal(problem.Detail, "Session "+id+" not found")
}

func refused(response *http.Response, err error, status int) (*amplifierd.Problem, error) {
	if err == nil {
		return nil, fmt.Errorf("the daemon did not refuse with %d", status)
	}
	var refusal *amplifierd.GenericOpenAPIError
	if !errors.As(err, &refusal) {
		return nil, err
	}
	problem, ok := refusal.Model().(amplifierd.Problem)
	if !ok {
		return nil, fmt.Errorf("the refusal has no problem body: %s", refusal.Body())
	}
	return &problem, errors.Join(equal(response.StatusCode, status), equal(problem.Status, int32(status)))
}

func message(content string, role amplifierd.Role, metadata map[string]any) amplifierd.SendMessageRequest {
	return amplifierd.SendMessageRequest{Content: &content, Role: &role, Metadata: metadata}
}

func equal(found, expected any) error {
	if !reflect.DeepEqual(found, expected) {
		return fmt.Errorf("%v came where %v was expected", found, expected)
	}
	return nil
}

func step(name string, play func() error) {
	if err := play(); err != nil {
		fmt.Fprintf(os.Stderr, "The step “%s” failed: %v.\n", name, err)
		os.Exit(1)
	}
}
