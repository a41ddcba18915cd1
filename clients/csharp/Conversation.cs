using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Text;
using System.Text.RegularExpressions;
using Amplifierd.Api;
using Amplifierd.Client;
using Amplifierd.Model;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

/// <summary>
/// Runs a whole conversation against the daemon whose base URL is the first argument, with the key that is the second,
/// through the generated classes.
/// </summary>
public sealed class Conversation
{
    private const string Nobody = "non-existent-session-id";
    private const string ProfileName = "clients/base";
    private const string Directory = "projects/atlas";
    private static readonly Regex Next = new Regex("<[^>]*[?&]cursor=([^&>]+)[^>]*>; rel=\"next\"");
    private static readonly byte[] Picture = { 0x89, (byte)'P', (byte)'N', (byte)'G', 0, 0xff, (byte)'\n' };

    private static readonly SendMessageRequest[] Sent =
    {
        new SendMessageRequest("What does “résumé” mean?", metadata: Map("source", "clients")),
        new SendMessageRequest("A summary.", role: Role.Assistant),
        new SendMessageRequest("{\"found\": true}", role: Role.Tool),
    };

    private readonly CollectionsApi collections;
    private readonly DirectoriesApi directories;
    private readonly FilesApi files;
    private readonly MessagesApi messages;
    private readonly ModulesApi modules;
    private readonly PlansApi plans;
    private readonly ProfilesApi profiles;
    private readonly SearchApi search;
    private readonly ServiceApi service;
    private readonly SessionsApi sessions;
    private readonly TransferApi transfer;
    private Session session;

    private Conversation(string baseUrl, string key)
    {
        var http = new HttpClient();
        var daemon = new Configuration { BasePath = baseUrl, AccessToken = key };
        collections = new CollectionsApi(http, daemon);
        directories = new DirectoriesApi(http, daemon);
        files = new FilesApi(http, daemon);
        messages = new MessagesApi(http, daemon);
        modules = new ModulesApi(http, daemon);
        plans = new PlansApi(http, daemon);
        profiles = new ProfilesApi(http, daemon);
        search = new SearchApi(http, daemon);
        service = new ServiceApi(http, daemon);
        sessions = new SessionsApi(http, daemon);
        transfer = new TransferApi(http, daemon);
    }

    private delegate void Play();

    public static int Main(string[] arguments)
    {
        // Json.NET reads 64 levels unless it is told otherwise; the daemon sends up to 100, and a few around them.
        JsonConvert.DefaultSettings = () => new JsonSerializerSettings { MaxDepth = 128 };
        var conversation = new Conversation(arguments[0], arguments.Length > 1 ? arguments[1] : null);
        try
        {
            conversation.PlayAll();
        }
        catch (Unexpected failure)
        {
            Console.Error.WriteLine(failure.Message);
            return 1;
        }
        Console.WriteLine("conversation passed");
        return 0;
    }

    private void PlayAll()
    {
        Step("create a profile and a directory", Prepare);
        Step("read collections", ReadCollections);
        Step("run with a collection", RunWithCollection);
        Step("create a session", () => session = Open());
        Step("read it back", () => Equal(sessions.GetSession(session.Id), session));
        Step("send three messages", SendMessages);
        Step("send parts", SendParts);
        Step("correct and delete a message", CorrectMessage);
        Step("send a file", SendFile);
        Step("keep own ids, times and labels", KeepOwnFacts);
        Step("read the transcript and its pages", ReadTranscript);
        Step("export the session and import it", ExportAndImport);
        Step("list sessions page by page", ListSessions);
        Step("resume the session", Resume);
        Step("search, and look for old sessions", Search);
        Step("fork the session and end its branch", Fork);
        Step("read what few send", ReadOddities);
        Step("read a session that does not exist", ReadNobody);
        Step("send a message that breaks the schema", BreakSchema);
        Step("delete what was created", TidyUp);
        Step("ask for health and status", AskDaemon);
    }

    private void Prepare()
    {
        var provider = new ModuleConfig("provider", config: Map("limit", 7));
        var body = new CreateProfileRequest(ProfileName, providers: new List<ModuleConfig> { provider });
        Profile profile = profiles.CreateProfile(body);
        Equal(profile.Name, ProfileName);
        Equal(profile.SchemaVersion, 2);
        Equal(profile.Providers, new[] { provider });
        // No collection has the module; only the response to a write reports it.
        Equal(profile.Warnings.Select(it => it.Pointer), new[] { "/providers/0" });
        Equal(profiles.GetProfile(ProfileName).Providers, profile.Providers);
        var amplify = new CreateDirectoryRequest(Directory, defaultProfile: ProfileName);
        AmplifiedDirectory directory = directories.CreateAmplifiedDirectory(amplify);
        Equal(directory.RelativePath, Directory);
        Equal(directory.DefaultProfileFrom, Directory);
        Equal(directories.GetAmplifiedDirectory(Directory), directory);
    }

    private void ReadCollections()
    {
        Equal(collections.ListCollections(), Nothing());
        var body = new CreateCollectionRequest("clients/collection", "/srv/collection");
        Problem problem = Refused(422, () => collections.CreateCollection(body));
        Check(problem.Detail.Contains("--collections-path"), problem.Detail);
        Refused(404, () => collections.GetCollection(body.Identifier));
    }

    private void RunWithCollection()
    {
        string source = Environment.GetEnvironmentVariable("COLLECTION");
        var body = new CreateCollectionRequest("clients/collection", source);
        StoredCollection added = collections.CreateCollection(body);
        Equal(added.Profiles, new[] { "collection/base" });
        Equal(added.Modules, new[] { "collection/tool/bash" });
        Equal(collections.GetCollection(body.Identifier), added);
        SetSourceOfModule("collection/tool/bash");
        MakePlans("collection/base");
        collections.DeleteCollection(body.Identifier);
        Equal(modules.ListModules(), Nothing());
    }

    private void SetSourceOfModule(string id)
    {
        List<ModuleSummary> listed = modules.ListModules(ModuleType.Tool);
        Equal(listed.Select(it => it.Id), new[] { id });
        Equal(modules.ListTools(), listed);
        ModuleDetails module = modules.GetModule(id);
        Equal(new[] { module.Name, module.Collection }, new[] { "tool-bash", "clients/collection" });
        var first = new ModuleSourceRequest("git+https://example.com/a");
        Equal(modules.CreateModuleSource(id, first), new ModuleSource(id, ModuleScope.Project, first.Source));
        Refused(409, () => modules.CreateModuleSource(id, first));
        var second = new ModuleSourceRequest("git+https://example.com/b");
        ModuleSource replaced = modules.ReplaceModuleSource(id, second);
        Equal(modules.GetModule(id).Sources, new[] { replaced });
        modules.DeleteModuleSource(id);
        Refused(404, () => modules.DeleteModuleSource(id));
    }

    private void MakePlans(string profile)
    {
        var overlay = new Dictionary<string, AgentOverlay> { { "zen", new AgentOverlay("Be quick.") } };
        var request = new MountPlanRequest(profile, agentOverlay: overlay);
        MountPlan generated = plans.GenerateMountPlan(request).GetMountPlan();
        Equal(generated.MountPoints.Select(it => it.Resolved), new[] { true, true });
        Equal(generated.Agents[profile + ".agent.zen"].Content, "Be quick.");
        Session opened = sessions.CreateSession(createSessionRequest: new CreateSessionRequest(profile: profile));
        MountPlan plan = plans.GetSessionMountPlan(opened.Id).GetMountPlan();
        Equal(plan.Session.SessionId, opened.Id);
        Equal(plan.Session.CreatedAt, opened.CreatedAt);
        Equal(plan.Agents[profile + ".agent.zen"].Content, "You are calm.");
        KernelPlan kernel = plans.GetSessionMountPlan(opened.Id, PlanForm.Kernel).GetKernelPlan();
        Equal(kernel.Tools.Select(it => it.Module), new[] { "tool-bash" });
        Equal(kernel.Tools.Select(it => it.Config), new[] { Map("timeout", 9) });
        sessions.DeleteSession(opened.Id);
    }

    private Session Open()
    {
        // The generated constructor ignores what has a default; its property does not.
        var body = new CreateSessionRequest(context: Map("task", "clients")) { AmplifiedDir = Directory };
        Session opened = sessions.CreateSession(createSessionRequest: body);
        Equal(opened.Profile, ProfileName);
        Equal(sessions.GetSessionProfile(opened.Id).Name, ProfileName);
        Equal(opened.Context, body.Context);
        Equal(opened.AmplifiedDir, Directory);
        Equal(opened.MessageCount, 0);
        return opened;
    }

    private void SendMessages()
    {
        List<Message> sent = Sent.Select(body => messages.SendMessage(session.Id, body)).ToList();
        Equal(sent.Select(it => it.Sequence), new[] { 1, 2, 3 });
        Equal(sent.Select(it => it.Metadata.Count), new[] { 1, 0, 0 });
        Equal(sent[0].Metadata, Sent[0].Metadata);
    }

    private void SendParts()
    {
        string id = Open().Id;
        var text = new TextPart(TextPartType.Text, text: "Let me look.");
        string input = "{ \"city\": \"Paris\" }";
        var call = new ToolCallPart(ToolCallPartType.ToolCall, "call_1", name: "weather", input: input);
        var body = new SendMessageRequest(
            role: Role.Assistant,
            parts: new List<Part> { new Part(text), new Part(call) },
            usage: new UsageRequest(inputTokens: 120, cost: "0.0042"));
        Equal(messages.SendMessage(id, body).Content, "Let me look.");
        List<Part> parts = messages.ListMessages(id, openCalls: true).Messages[0].Parts;
        Equal(parts[0].GetTextPart().Text, text.Text);
        Equal(parts[1].GetToolCallPart().Input, call.Input);
        SessionUsage usage = sessions.GetSession(id).Usage;
        Equal(usage.InputTokens, 120);
        Equal(usage.Cost + usage.Currency, "0.0042USD");
        sessions.DeleteSession(id);
    }

    private void CorrectMessage()
    {
        string draft = Open().Id;
        messages.SendMessage(draft, new SendMessageRequest("Helo!", metadata: Map("kept", true)));
        Message edited = messages.UpdateMessage(draft, 1, new MessagePatch(Map("rating", 5), "Hello!"));
        Equal(edited.Content, "Hello!");
        Equal(edited.VarVersion, 2);
        Equal(edited.Metadata, new Dictionary<string, object> { { "kept", true }, { "rating", 5 } });
        Check(edited.EditedAt != default(DateTimeOffset), "The message is not marked as edited.");
        Equal(Refused(412, () => messages.DeleteMessage(draft, 1, "\"1\"")).VarVersion, 2);
        Message left = messages.DeleteMessage(draft, 1, "\"2\"");
        Equal(left.Content, string.Empty);
        Equal(left.VarVersion, 3);
        Equal(left.Metadata.Count, 0);
        Check(left.DeletedAt != default(DateTimeOffset), "The message is not marked as deleted.");
        sessions.DeleteSession(draft);
    }

    private void SendFile()
    {
        StoredFile file = files.CreateFile("image/png", "a.png", new MemoryStream(Picture));
        Equal(file.Size, Picture.Length);
        Equal(new[] { file.Media, file.Name }, new[] { "image/png", "a.png" });
        string showing = Open().Id;
        var part = new FilePart(FilePartType.File, media: file.Media, url: file.Url);
        messages.SendMessage(showing, new SendMessageRequest(parts: new List<Part> { new Part(part) }));
        Equal(Bytes(files.GetFile(file.Id)), Picture);
        Equal(Bytes(files.GetFile(file.Id, "bytes=1-3")), Encoding.ASCII.GetBytes("PNG"));
        Refused(409, () => files.DeleteFile(file.Id));
        sessions.DeleteSession(showing);
        Equal(files.ListFiles(), Nothing());
    }

    private void KeepOwnFacts()
    {
        var began = new DateTimeOffset(2023, 3, 1, 10, 0, 0, TimeSpan.FromHours(1));
        var labels = new Dictionary<string, string> { { "origin", "clients" }, { "topic", "a:b" } };
        var own = new CreateSessionRequest(id: Guid.NewGuid().ToString(), createdAt: began, labels: labels);
        Session kept = sessions.CreateSession(createSessionRequest: own);
        Equal(kept.Id, own.Id);
        Check(kept.CreatedAt == began, kept.CreatedAt.ToString("o"));
        Equal(kept.Labels, labels);
        var body = new SendMessageRequest("Hello!", id: "msg_1", timestamp: began);
        Check(messages.SendMessage(kept.Id, body).Timestamp == began, "The message has another time.");
        Equal(Refused(409, () => messages.SendMessage(kept.Id, body)).Sequence, 1);
        Equal(messages.ListMessages(kept.Id, id: "msg_1").Messages.Select(it => it.Sequence), new[] { 1 });
        ApiResponse<List<SessionSummary>> listed = sessions.ListSessionsWithHttpInfo(
            createdAfter: began.AddSeconds(-1),
            createdBefore: began.AddSeconds(1),
            label: new List<string> { "origin:clients", "topic" },
            status: new List<SessionStatus> { SessionStatus.Active, SessionStatus.Failed },
            archived: false,
            total: true);
        Equal(listed.Data.Select(it => it.LastMessage.Content), new[] { "Hello!" });
        Equal(listed.Headers["X-Total-Count"], new[] { "1" });
        sessions.DeleteSession(kept.Id);
    }

    private void ReadTranscript()
    {
        Transcript transcript = messages.ListMessages(session.Id);
        Equal(transcript.SessionId, session.Id);
        Equal(transcript.Messages.Select(it => it.Role), new[] { Role.User, Role.Assistant, Role.Tool });
        Equal(transcript.Messages.Select(it => it.Content), Sent.Select(it => it.Content));
        Transcript page = messages.ListMessages(session.Id, limit: 2, beforeSequence: 3);
        Equal(page.Messages.Select(it => it.Sequence), new[] { 1, 2 });
    }

    private void ExportAndImport()
    {
        string exported = Encoding.UTF8.GetString(Bytes(transfer.ExportSession(session.Id)));
        ImportReport report = transfer.ImportSessions(Lines(exported), onConflict: OnConflict.Skip);
        Equal(new[] { report.Sessions, report.Skipped }, new[] { 0, 1 });
        FileParameter broken = Lines(exported.Replace("\"sequence\":2", "\"sequence\":\"2\""));
        Problem problem = Refused(422, () => transfer.ImportSessions(broken, onConflict: OnConflict.Skip));
        Equal(problem.Errors[0].Pointer, "/message/sequence");
    }

    private void ListSessions()
    {
        Session second = Open();
        ApiResponse<List<SessionSummary>> first = sessions.ListSessionsWithHttpInfo(limit: 1);
        Equal(first.Data.Select(it => it.Id), new[] { second.Id });
        string link = string.Join(", ", first.Headers["Link"]);
        Match next = Next.Match(link);
        Check(next.Success, link + " has no link to the next page.");
        List<SessionSummary> page = sessions.ListSessions(1, next.Groups[1].Value);
        Equal(page.Select(it => it.Id), new[] { session.Id });
        sessions.DeleteSession(second.Id);
    }

    private void Resume()
    {
        Session before = sessions.GetSession(session.Id);
        Session resumed = sessions.ResumeSession(session.Id);
        Equal(resumed.MessageCount, 3);
        Check(resumed.UpdatedAt > before.UpdatedAt, "updatedAt did not move on.");
    }

    private void Search()
    {
        List<SearchHit> hits = search.SearchMessages("resum* mean", sessionId: session.Id);
        Equal(hits.Select(it => it.Sequence), new[] { 1 });
        Check(hits[0].Snippet.Contains("<mark>résumé</mark>"), hits[0].Snippet);
        List<SearchHit> similar = search.SearchMessages("resum* mean", mode: SearchMode.Hybrid, sessionId: session.Id);
        Check(similar.Any(it => it.Sequence == 1), "A search by meaning does not find the first message.");
        Equal(search.SuggestSearches("resmue").Select(it => it.Q), new[] { "resume" });
        var active = new List<SessionStatus> { SessionStatus.Active };
        DeletionReport old = sessions.CleanUpSessions(new CleanUpRequest(1, active));
        Check(old.DryRun && old.Sessions == 0, "The session is not old.");
        var filter = new SessionFilter(ids: new List<string> { session.Id }, roots: true);
        DeletionReport found = sessions.DeleteSessions(new SessionDeletion(filter));
        Check(found.DryRun, "Nothing was to be deleted.");
        Equal(found.SessionIds, new[] { session.Id });
    }

    private void Fork()
    {
        var body = new ForkSessionRequest(1, "Branch");
        Session fork = sessions.ForkSession(session.Id, forkSessionRequest: body);
        Equal(fork.ParentSessionId, session.Id);
        Equal(fork.MessageCount, 1);
        Equal(sessions.GetSessionLineage(session.Id).Children.Select(it => it.Id), new[] { fork.Id });
        Equal(sessions.CompleteSession(fork.Id).Status, SessionStatus.Completed);
        Problem problem = Refused(409, () => messages.SendMessage(fork.Id, Sent[0]));
        Check(problem.Detail.EndsWith("resume it first"), problem.Detail);
        sessions.DeleteSession(fork.Id);
    }

    private void ReadOddities()
    {
        List<SessionSummary> summaries = sessions.ListSessions(name: "Oddity");
        Check(summaries.Count > 1, "No oddities were found.");
        foreach (SessionSummary summary in summaries)
        {
            Message message = messages.ListMessages(summary.Id).Messages[0];
            Equal(message.Metadata, sessions.GetSession(summary.Id).Context);
            Equal(message.Content, "\0\u2028\ufeff\u202e\ud83d\ude00");
        }
    }

    private void ReadNobody()
    {
        Problem problem = Refused(404, () => sessions.GetSession(Nobody));
        Equal(problem.Detail, "Session " + Nobody + " not found");
    }

    private void BreakSchema()
    {
        // The only schema violation that all languages allow: one metadata member too many.
        var metadata = Enumerable.Range(0, 1025).ToDictionary(it => it.ToString(), it => (object)it);
        var body = new SendMessageRequest(string.Empty, metadata: metadata);
        Problem problem = Refused(422, () => messages.SendMessage(session.Id, body));
        Equal(problem.Errors.Select(it => it.Pointer), new[] { "/metadata" });
    }

    private void TidyUp()
    {
        sessions.DeleteSession(session.Id);
        Problem gone = Refused(404, () => sessions.GetSession(session.Id));
        Equal(gone.Detail, "Session " + session.Id + " not found");
        directories.DeleteAmplifiedDirectory(Directory);
        profiles.DeleteProfile(ProfileName);
        Problem problem = Refused(404, () => profiles.GetProfile(ProfileName));
        Check(problem.Detail.StartsWith("Profile " + ProfileName + " not found"), problem.Detail);
    }

    private void AskDaemon()
    {
        Equal(service.GetLive().Status, LivenessStatus.Alive);
        Equal(service.GetHealth().Status, HealthStatus.Healthy);
        Equal(service.GetStatus().Status, ServiceState.Running);
    }

    private static Dictionary<string, object> Map(string key, object value)
    {
        return new Dictionary<string, object> { { key, value } };
    }

    private static object[] Nothing()
    {
        return new object[0];
    }

    private static FileParameter Lines(string lines)
    {
        return new MemoryStream(Encoding.UTF8.GetBytes(lines));
    }

    private static byte[] Bytes(FileParameter file)
    {
        var bytes = new MemoryStream();
        file.Content.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static Problem Refused(int status, Play play)
    {
        try
        {
            play();
        }
        catch (ApiException refusal)
        {
            Equal(refusal.ErrorCode, status);
            var problem = JsonConvert.DeserializeObject<Problem>((string)refusal.ErrorContent);
            Equal(problem.Status, status);
            return problem;
        }
        throw new Unexpected("The daemon did not refuse with " + status + ".");
    }

    private static void Equal(object found, object expected)
    {
        JToken left = JToken.FromObject(found);
        JToken right = JToken.FromObject(expected);
        Check(JToken.DeepEquals(left, right), left + " came where " + right + " was expected.");
    }

    private static void Check(bool holds, string sentence)
    {
        if (!holds)
        {
            throw new Unexpected(sentence);
        }
    }

    private static void Step(string name, Play play)
    {
        try
        {
            play();
        }
        catch (Exception error)
        {
            throw new Unexpected("The step “" + name + "” failed: " + error.Message);
        }
    }

    private sealed class Unexpected : Exception
    {
        public Unexpected(string sentence) : base(sentence)
        {
        }
    }
}
