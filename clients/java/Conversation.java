import static java.nio.charset.StandardCharsets.UTF_8;

import amplifierd.client.ApiClient;
import amplifierd.client.ApiException;
import amplifierd.client.ApiResponse;
import amplifierd.client.api.CollectionsApi.APICreateCollectionRequest;
import amplifierd.client.api.CollectionsApi.APIDeleteCollectionRequest;
import amplifierd.client.api.CollectionsApi.APIGetCollectionRequest;
import amplifierd.client.api.CollectionsApi.APIListCollectionsRequest;
import amplifierd.client.api.CollectionsApi;
import amplifierd.client.api.DirectoriesApi.APICreateAmplifiedDirectoryRequest;
import amplifierd.client.api.DirectoriesApi.APIDeleteAmplifiedDirectoryRequest;
import amplifierd.client.api.DirectoriesApi.APIGetAmplifiedDirectoryRequest;
import amplifierd.client.api.DirectoriesApi;
import amplifierd.client.api.FilesApi.APICreateFileRequest;
import amplifierd.client.api.FilesApi.APIDeleteFileRequest;
import amplifierd.client.api.FilesApi.APIGetFileRequest;
import amplifierd.client.api.FilesApi.APIListFilesRequest;
import amplifierd.client.api.FilesApi;
import amplifierd.client.api.MessagesApi.APIDeleteMessageRequest;
import amplifierd.client.api.MessagesApi.APIListMessagesRequest;
import amplifierd.client.api.MessagesApi.APISendMessageRequest;
import amplifierd.client.api.MessagesApi.APIUpdateMessageRequest;
import amplifierd.client.api.MessagesApi;
import amplifierd.client.api.ModulesApi.APICreateModuleSourceRequest;
import amplifierd.client.api.ModulesApi.APIDeleteModuleSourceRequest;
import amplifierd.client.api.ModulesApi.APIGetModuleRequest;
import amplifierd.client.api.ModulesApi.APIListModulesRequest;
import amplifierd.client.api.ModulesApi.APIListToolsRequest;
import amplifierd.client.api.ModulesApi.APIReplaceModuleSourceRequest;
import amplifierd.client.api.ModulesApi;
import amplifierd.client.api.PlansApi.APIGenerateMountPlanRequest;
import amplifierd.client.api.PlansApi.APIGetSessionMountPlanRequest;
import amplifierd.client.api.PlansApi;
import amplifierd.client.api.ProfilesApi.APICreateProfileRequest;
import amplifierd.client.api.ProfilesApi.APIDeleteProfileRequest;
import amplifierd.client.api.ProfilesApi.APIGetProfileRequest;
import amplifierd.client.api.ProfilesApi;
import amplifierd.client.api.SearchApi.APISearchMessagesRequest;
import amplifierd.client.api.SearchApi.APISuggestSearchesRequest;
import amplifierd.client.api.SearchApi;
import amplifierd.client.api.ServiceApi;
import amplifierd.client.api.SessionsApi.APICleanUpSessionsRequest;
import amplifierd.client.api.SessionsApi.APICompleteSessionRequest;
import amplifierd.client.api.SessionsApi.APICreateSessionRequest;
import amplifierd.client.api.SessionsApi.APIDeleteSessionRequest;
import amplifierd.client.api.SessionsApi.APIDeleteSessionsRequest;
import amplifierd.client.api.SessionsApi.APIForkSessionRequest;
import amplifierd.client.api.SessionsApi.APIGetSessionLineageRequest;
import amplifierd.client.api.SessionsApi.APIGetSessionProfileRequest;
import amplifierd.client.api.SessionsApi.APIGetSessionRequest;
import amplifierd.client.api.SessionsApi.APIListSessionsRequest;
import amplifierd.client.api.SessionsApi.APIResumeSessionRequest;
import amplifierd.client.api.SessionsApi;
import amplifierd.client.api.TransferApi.APIExportSessionRequest;
import amplifierd.client.api.TransferApi.APIImportSessionsRequest;
import amplifierd.client.api.TransferApi;
import amplifierd.client.model.AgentOverlay;
import amplifierd.client.model.AmplifiedDirectory;
import amplifierd.client.model.CleanUpRequest;
import amplifierd.client.model.CreateCollectionRequest;
import amplifierd.client.model.CreateDirectoryRequest;
import amplifierd.client.model.CreateProfileRequest;
import amplifierd.client.model.CreateSessionRequest;
import amplifierd.client.model.DeletionReport;
import amplifierd.client.model.FilePart;
import amplifierd.client.model.FilePartType;
import amplifierd.client.model.ForkSessionRequest;
import amplifierd.client.model.HealthStatus;
import amplifierd.client.model.ImportReport;
import amplifierd.client.model.KernelModule;
import amplifierd.client.model.LivenessStatus;
import amplifierd.client.model.Message;
import amplifierd.client.model.MessagePatch;
import amplifierd.client.model.ModuleDetails;
import amplifierd.client.model.ModuleConfig;
import amplifierd.client.model.ModuleScope;
import amplifierd.client.model.ModuleSource;
import amplifierd.client.model.ModuleSourceRequest;
import amplifierd.client.model.ModuleSummary;
import amplifierd.client.model.ModuleType;
import amplifierd.client.model.Mount;
import amplifierd.client.model.MountPlan;
import amplifierd.client.model.MountPlanRequest;
import amplifierd.client.model.OnConflict;
import amplifierd.client.model.Part;
import amplifierd.client.model.PlanForm;
import amplifierd.client.model.Problem;
import amplifierd.client.model.Profile;
import amplifierd.client.model.ProfileSettings;
import amplifierd.client.model.Role;
import amplifierd.client.model.SchemaViolation;
import amplifierd.client.model.SearchHit;
import amplifierd.client.model.SearchMode;
import amplifierd.client.model.SearchSuggestion;
import amplifierd.client.model.SendMessageRequest;
import amplifierd.client.model.ServiceState;
import amplifierd.client.model.Session;
import amplifierd.client.model.SessionDeletion;
import amplifierd.client.model.SessionFilter;
import amplifierd.client.model.SessionStatus;
import amplifierd.client.model.SessionSummary;
import amplifierd.client.model.StoredCollection;
import amplifierd.client.model.StoredFile;
import amplifierd.client.model.TextPart;
import amplifierd.client.model.TextPartType;
import amplifierd.client.model.ToolCallPart;
import amplifierd.client.model.ToolCallPartType;
import amplifierd.client.model.Transcript;
import amplifierd.client.model.UsageRequest;
import java.io.File;
import java.net.http.HttpRequest;
import java.nio.file.Files;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.UUID;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Runs a whole conversation against the daemon whose base URL is the argument, through the generated classes. */
public final class Conversation {
  private static final String NOBODY = "non-existent-session-id";
  private static final String PROFILE = "clients/base";
  private static final String DIRECTORY = "projects/atlas";
  private static final Pattern NEXT = Pattern.compile("<[^>]*[?&]cursor=([^&>]+)[^>]*>; rel=\"next\"");
  private static final byte[] PICTURE = {(byte) 0x89, 'P', 'N', 'G', 0, (byte) 0xff, '\n'};
  private static final List<SendMessageRequest> MESSAGES =
      List.of(
          new SendMessageRequest().content("What does “résumé” mean?").putMetadataItem("source", "clients"),
          new SendMessageRequest().content("A summary.").role(Role.ASSISTANT),
          new SendMessageRequest().content("{\"found\": true}").role(Role.TOOL));

  private final ApiClient client = new ApiClient();
  private final CollectionsApi collections;
  private final ModulesApi modules;
  private final PlansApi plans;
  private final ProfilesApi profiles;
  private final DirectoriesApi directories;
  private final SessionsApi sessions;
  private final MessagesApi messages;
  private final SearchApi search;
  private final ServiceApi service;
  private Session session;

  private Conversation(String baseUrl, String... keys) {
    client.updateBaseUri(baseUrl);
    for (String key : keys) {
      client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + key));
    }
    profiles = new ProfilesApi(client);
    collections = new CollectionsApi(client);
    modules = new ModulesApi(client);
    plans = new PlansApi(client);
    directories = new DirectoriesApi(client);
    sessions = new SessionsApi(client);
    messages = new MessagesApi(client);
    search = new SearchApi(client);
    service = new ServiceApi(client);
  }

  public static void main(String[] arguments) {
    Conversation conversation = new Conversation(arguments[0], Arrays.copyOfRange(arguments, 1, arguments.length));
    step("create a profile and a directory", conversation::prepare);
    step("read collections", conversation::readCollections);
    step("run with a collection", conversation::runWithCollection);
    step("create a session", () -> conversation.session = conversation.open());
    step("read it back", conversation::readBack);
    step("send three messages", conversation::sendMessages);
    step("send parts", conversation::sendParts);
    step("correct and delete a message", conversation::correctMessage);
    step("send a file", conversation::sendFile);
    step("keep own ids, times and labels", conversation::keepOwnFacts);
    step("list the transcript", conversation::listTranscript);
    step("page back through the transcript", conversation::pageBack);
    step("export the session and import it", conversation::exportAndImport);
    step("list sessions page by page", conversation::listSessions);
    step("resume the session", conversation::resume);
    step("search, and look for old sessions", conversation::search);
    step("fork the session and end its branch", conversation::fork);
    step("read what few send", conversation::readOddities);
    step("read a session that does not exist", conversation::readNobody);
    step("send a message that breaks the schema", conversation::breakSchema);
    step("delete the session", conversation::delete);
    step("delete the directory and the profile", conversation::tidyUp);
    step("ask for health and status", conversation::askDaemon);
    System.out.println("conversation passed");
  }

  private void prepare() throws Exception {
    ModuleConfig provider = new ModuleConfig().module("provider").putConfigItem("limit", 7);
    CreateProfileRequest body = new CreateProfileRequest().name(PROFILE).addProvidersItem(provider);
    Profile profile = profiles.createProfile(APICreateProfileRequest.newBuilder().createProfileRequest(body).build());
    equal(profile.getName(), PROFILE);
    equal(profile.getSchemaVersion(), 2);
    equal(profile.getProviders(), List.of(provider));
    // No collection has the module; only the response to a write reports it.
    equal(profile.getWarnings().get(0).getPointer(), "/providers/0");
    profile.setWarnings(List.of());
    equal(profiles.getProfile(APIGetProfileRequest.newBuilder().name(PROFILE).build()), profile);
    CreateDirectoryRequest amplify = new CreateDirectoryRequest().relativePath(DIRECTORY).defaultProfile(PROFILE);
    AmplifiedDirectory directory =
        directories.createAmplifiedDirectory(
            APICreateAmplifiedDirectoryRequest.newBuilder().createDirectoryRequest(amplify).build());
    equal(directory.getRelativePath(), DIRECTORY);
    equal(directory.getDefaultProfileFrom(), DIRECTORY);
    equal(
        directories.getAmplifiedDirectory(
            APIGetAmplifiedDirectoryRequest.newBuilder().relativePath(DIRECTORY).build()),
        directory);
  }

  private void readCollections() throws Exception {
    equal(collections.listCollections(APIListCollectionsRequest.newBuilder().build()), List.of());
    CreateCollectionRequest body =
        new CreateCollectionRequest().identifier("clients/collection").source("/srv/collection");
    Problem problem =
        refused(
            422,
            () ->
                collections.createCollection(
                    APICreateCollectionRequest.newBuilder().createCollectionRequest(body).build()));
    check(problem.getDetail().contains("--collections-path"), problem.getDetail());
    refused(
        404,
        () ->
            collections.getCollection(
                APIGetCollectionRequest.newBuilder().identifier(body.getIdentifier()).build()));
  }

  private void runWithCollection() throws Exception {
    CreateCollectionRequest body =
        new CreateCollectionRequest().identifier("clients/collection").source(System.getenv("COLLECTION"));
    StoredCollection added =
        collections.createCollection(
            APICreateCollectionRequest.newBuilder().createCollectionRequest(body).build());
    equal(added.getProfiles(), List.of("collection/base"));
    equal(added.getModules(), List.of("collection/tool/bash"));
    String identifier = body.getIdentifier();
    equal(collections.getCollection(APIGetCollectionRequest.newBuilder().identifier(identifier).build()), added);
    setSourceOfModule("collection/tool/bash");
    makePlans("collection/base");
    collections.deleteCollection(APIDeleteCollectionRequest.newBuilder().identifier(identifier).build());
    equal(modules.listModules(APIListModulesRequest.newBuilder().build()), List.of());
  }

  private void setSourceOfModule(String id) throws Exception {
    List<ModuleSummary> listed = modules.listModules(APIListModulesRequest.newBuilder().type(ModuleType.TOOL).build());
    equal(listed.stream().map(ModuleSummary::getId).toList(), List.of(id));
    equal(modules.listTools(APIListToolsRequest.newBuilder().build()), listed);
    APIGetModuleRequest read = APIGetModuleRequest.newBuilder().moduleId(id).build();
    ModuleDetails module = modules.getModule(read);
    equal(module.getName(), "tool-bash");
    equal(module.getCollection(), "clients/collection");
    ModuleSourceRequest first = new ModuleSourceRequest().source("git+https://example.com/a");
    APICreateModuleSourceRequest create =
        APICreateModuleSourceRequest.newBuilder().moduleId(id).moduleSourceRequest(first).build();
    ModuleSource source = new ModuleSource().moduleId(id).scope(ModuleScope.PROJECT).source(first.getSource());
    equal(modules.createModuleSource(create), source);
    refused(409, () -> modules.createModuleSource(create));
    ModuleSourceRequest second = new ModuleSourceRequest().source("git+https://example.com/b");
    ModuleSource replaced =
        modules.replaceModuleSource(
            APIReplaceModuleSourceRequest.newBuilder().moduleId(id).moduleSourceRequest(second).build());
    equal(modules.getModule(read).getSources(), List.of(replaced));
    APIDeleteModuleSourceRequest delete = APIDeleteModuleSourceRequest.newBuilder().moduleId(id).build();
    modules.deleteModuleSource(delete);
    refused(404, () -> modules.deleteModuleSource(delete));
  }

  private void makePlans(String profile) throws Exception {
    MountPlanRequest request =
        new MountPlanRequest()
            .profileId(profile)
            .putAgentOverlayItem("zen", new AgentOverlay().content("Be quick."));
    MountPlan generated =
        plans.generateMountPlan(APIGenerateMountPlanRequest.newBuilder().mountPlanRequest(request).build())
            .getMountPlan();
    equal(generated.getMountPoints().stream().map(Mount::getResolved).toList(), List.of(true, true));
    equal(generated.getAgents().get(profile + ".agent.zen").getContent(), "Be quick.");
    CreateSessionRequest body = new CreateSessionRequest().profile(profile);
    Session opened =
        sessions.createSession(APICreateSessionRequest.newBuilder().createSessionRequest(body).build());
    APIGetSessionMountPlanRequest.Builder read =
        APIGetSessionMountPlanRequest.newBuilder().sessionId(opened.getId());
    MountPlan plan = plans.getSessionMountPlan(read.build()).getMountPlan();
    equal(plan.getSession().getSessionId(), opened.getId());
    equal(plan.getSession().getCreatedAt(), opened.getCreatedAt());
    equal(plan.getAgents().get(profile + ".agent.zen").getContent(), "You are calm.");
    KernelModule tool = plans.getSessionMountPlan(read.form(PlanForm.KERNEL).build()).getKernelPlan().getTools().get(0);
    equal(tool.getModule(), "tool-bash");
    equal(tool.getConfig(), Map.of("timeout", 9));
    sessions.deleteSession(APIDeleteSessionRequest.newBuilder().sessionId(opened.getId()).build());
  }

  private void tidyUp() throws Exception {
    directories.deleteAmplifiedDirectory(
        APIDeleteAmplifiedDirectoryRequest.newBuilder().relativePath(DIRECTORY).build());
    profiles.deleteProfile(APIDeleteProfileRequest.newBuilder().name(PROFILE).build());
    Problem problem = refused(404, () -> profiles.getProfile(APIGetProfileRequest.newBuilder().name(PROFILE).build()));
    check(problem.getDetail().startsWith("Profile " + PROFILE + " not found"), problem.getDetail());
  }

  private Session open() throws Exception {
    CreateSessionRequest body =
        new CreateSessionRequest().putContextItem("task", "clients").amplifiedDir(DIRECTORY);
    Session opened = sessions.createSession(APICreateSessionRequest.newBuilder().createSessionRequest(body).build());
    ProfileSettings kept =
        sessions.getSessionProfile(APIGetSessionProfileRequest.newBuilder().sessionId(id(opened)).build());
    equal(opened.getProfile(), PROFILE);
    equal(kept.getName(), PROFILE);
    equal(opened.getContext(), body.getContext());
    equal(opened.getAmplifiedDir(), body.getAmplifiedDir());
    equal(opened.getMessageCount(), 0L);
    return opened;
  }

  private void readBack() throws Exception {
    equal(read(id(session)), session);
  }

  private void sendMessages() throws Exception {
    List<Long> sequences = new ArrayList<>();
    for (SendMessageRequest body : MESSAGES) {
      Message message = send(session, body);
      equal(message.getMetadata(), body.getMetadata());
      sequences.add(message.getSequence());
    }
    equal(sequences, List.of(1L, 2L, 3L));
  }

  private void sendParts() throws Exception {
    Session waiting = open();
    TextPart text = new TextPart().type(TextPartType.TEXT).text("Let me look.");
    ToolCallPart call =
        new ToolCallPart()
            .type(ToolCallPartType.TOOL_CALL)
            .call("call_1")
            .name("weather")
            .input("{ \"city\": \"Paris\" }");
    SendMessageRequest body =
        new SendMessageRequest()
            .role(Role.ASSISTANT)
            .parts(List.of(new Part(text), new Part(call)))
            .usage(new UsageRequest().inputTokens(120).cost("0.0042"));
    equal(send(waiting, body).getContent(), "Let me look.");
    Transcript transcript =
        messages.listMessages(
            APIListMessagesRequest.newBuilder().sessionId(id(waiting)).openCalls(true).build());
    List<Part> parts = transcript.getMessages().get(0).getParts();
    equal(parts.get(0).getTextPart().getText(), text.getText());
    equal(parts.get(1).getToolCallPart().getInput(), call.getInput());
    Session read = read(id(waiting));
    equal(read.getUsage().getInputTokens(), 120L);
    equal(read.getUsage().getCost() + read.getUsage().getCurrency(), "0.0042USD");
    remove(id(waiting));
  }

  private void correctMessage() throws Exception {
    String draft = id(open());
    SendMessageRequest body = new SendMessageRequest().content("Helo!").putMetadataItem("kept", true);
    messages.sendMessage(APISendMessageRequest.newBuilder().sessionId(draft).sendMessageRequest(body).build());
    MessagePatch patch = new MessagePatch().content("Hello!").putMetadataItem("rating", 5);
    Message edited =
        messages.updateMessage(
            APIUpdateMessageRequest.newBuilder().sessionId(draft).sequence(1L).messagePatch(patch).build());
    equal(List.of(edited.getContent(), edited.getVersion()), List.of("Hello!", 2L));
    equal(edited.getMetadata(), Map.of("kept", true, "rating", 5));
    check(edited.getEditedAt() != null, "The message is not marked as edited.");
    APIDeleteMessageRequest.Builder delete = APIDeleteMessageRequest.newBuilder().sessionId(draft).sequence(1L);
    equal(refused(412, () -> messages.deleteMessage(delete.ifMatch("\"1\"").build())).getVersion(), 2L);
    Message left = messages.deleteMessage(delete.ifMatch("\"2\"").build());
    equal(List.of(left.getContent(), left.getVersion(), left.getMetadata()), List.of("", 3L, Map.of()));
    check(left.getDeletedAt() != null, "The message is not marked as deleted.");
    remove(draft);
  }

  private void sendFile() throws Exception {
    APICreateFileRequest create =
        APICreateFileRequest.newBuilder().media("image/png").name("a.png").body(new File("a.png")).build();
    StoredFile file = uploading(PICTURE, FilesApi::new).createFile(create);
    equal(List.of(file.getSize(), file.getMedia(), file.getName()), List.of((long) PICTURE.length, "image/png", "a.png"));
    Session showing = open();
    FilePart part = new FilePart().type(FilePartType.FILE).media(file.getMedia()).url(file.getUrl());
    send(showing, new SendMessageRequest().parts(List.of(new Part(part))));
    FilesApi files = new FilesApi(client);
    File whole = files.getFile(APIGetFileRequest.newBuilder().fileId(file.getId()).build());
    check(Arrays.equals(Files.readAllBytes(whole.toPath()), PICTURE), "The file is another.");
    File range = files.getFile(APIGetFileRequest.newBuilder().fileId(file.getId()).range("bytes=1-3").build());
    check(Files.readString(range.toPath()).equals("PNG"), "The range is another.");
    refused(409, () -> files.deleteFile(APIDeleteFileRequest.newBuilder().fileId(file.getId()).build()));
    remove(id(showing));
    equal(files.listFiles(APIListFilesRequest.newBuilder().build()), List.of());
  }

  /** An API that uploads bytes: the generated method would send the path of its file, in JSON. */
  private <T> T uploading(byte[] content, Function<ApiClient, T> api) {
    Consumer<HttpRequest.Builder> authorize = client.getRequestInterceptor();
    client.setRequestInterceptor(
        request -> {
          if (authorize != null) {
            authorize.accept(request);
          }
          request.method("POST", HttpRequest.BodyPublishers.ofByteArray(content));
        });
    T uploads = api.apply(client);
    client.setRequestInterceptor(authorize);
    return uploads;
  }

  private void exportAndImport() throws Exception {
    APIExportSessionRequest export = APIExportSessionRequest.newBuilder().sessionId(id(session)).build();
    String exported = Files.readString(new TransferApi(client).exportSession(export).toPath());
    APIImportSessionsRequest skipping =
        APIImportSessionsRequest.newBuilder().body(new File("lines")).onConflict(OnConflict.SKIP).build();
    ImportReport report = uploading(exported.getBytes(UTF_8), TransferApi::new).importSessions(skipping);
    equal(List.of(report.getSessions(), report.getSkipped()), List.of(0L, 1L));
    byte[] broken = exported.replace("\"sequence\":2", "\"sequence\":\"2\"").getBytes(UTF_8);
    Problem problem = refused(422, () -> uploading(broken, TransferApi::new).importSessions(skipping));
    equal(problem.getErrors().get(0).getPointer(), "/message/sequence");
  }

  private void keepOwnFacts() throws Exception {
    OffsetDateTime began = OffsetDateTime.parse("2023-03-01T10:00:00+01:00");
    CreateSessionRequest own =
        new CreateSessionRequest()
            .id(UUID.randomUUID().toString())
            .createdAt(began)
            .labels(Map.of("origin", "clients", "topic", "a:b"));
    Session kept = sessions.createSession(APICreateSessionRequest.newBuilder().createSessionRequest(own).build());
    equal(kept.getId(), own.getId());
    equal(kept.getCreatedAt().toInstant(), began.toInstant());
    equal(kept.getLabels(), own.getLabels());
    SendMessageRequest body = new SendMessageRequest().content("Hello!").id("msg_1").timestamp(began);
    equal(send(kept, body).getTimestamp().toInstant(), began.toInstant());
    equal(refused(409, () -> send(kept, body)).getSequence(), 1L);
    Transcript transcript =
        messages.listMessages(APIListMessagesRequest.newBuilder().sessionId(id(kept)).id("msg_1").build());
    equal(each(transcript.getMessages(), Message::getSequence), List.of(1L));
    ApiResponse<List<SessionSummary>> listed =
        sessions.listSessionsWithHttpInfo(
            APIListSessionsRequest.newBuilder()
                .label(List.of("origin:clients", "topic"))
                .status(List.of(SessionStatus.ACTIVE, SessionStatus.FAILED))
                .archived(false)
                .createdAfter(began.minusSeconds(1))
                .createdBefore(began.plusSeconds(1))
                .total(true)
                .build());
    equal(each(listed.getData(), it -> it.getLastMessage().getContent()), List.of("Hello!"));
    equal(listed.getHeaders().get("x-total-count"), List.of("1"));
    remove(id(kept));
  }

  private void listTranscript() throws Exception {
    Transcript transcript = messages.listMessages(APIListMessagesRequest.newBuilder().sessionId(id(session)).build());
    equal(transcript.getSessionId(), session.getId());
    equal(each(transcript.getMessages(), Message::getRole), List.of(Role.USER, Role.ASSISTANT, Role.TOOL));
    equal(each(transcript.getMessages(), Message::getContent), each(MESSAGES, SendMessageRequest::getContent));
  }

  private void pageBack() throws Exception {
    Transcript page =
        messages.listMessages(
            APIListMessagesRequest.newBuilder().sessionId(id(session)).limit(2).beforeSequence(3L).build());
    equal(each(page.getMessages(), Message::getSequence), List.of(1L, 2L));
  }

  private void listSessions() throws Exception {
    Session second = open();
    ApiResponse<List<SessionSummary>> first =
        sessions.listSessionsWithHttpInfo(APIListSessionsRequest.newBuilder().limit(1).build());
    equal(each(first.getData(), SessionSummary::getId), List.of(second.getId()));
    List<SessionSummary> next =
        sessions.listSessions(APIListSessionsRequest.newBuilder().limit(1).cursor(nextCursor(first)).build());
    equal(each(next, SessionSummary::getId), List.of(session.getId()));
    remove(id(second));
  }

  private static String nextCursor(ApiResponse<?> response) {
    List<String> links = response.getHeaders().getOrDefault("link", List.of());
    Matcher next = NEXT.matcher(String.join(", ", links));
    check(next.find(), links + " is no link to the next page.");
    return next.group(1);
  }

  private void resume() throws Exception {
    Session before = read(id(session));
    Session resumed =
        sessions.resumeSession(APIResumeSessionRequest.newBuilder().sessionId(id(session)).build());
    equal(resumed.getMessageCount(), 3L);
    check(resumed.getUpdatedAt().isAfter(before.getUpdatedAt()), "updatedAt did not move on.");
  }

  private void search() throws Exception {
    List<SearchHit> hits =
        search.searchMessages(APISearchMessagesRequest.newBuilder().q("resum* mean").sessionId(id(session)).build());
    equal(each(hits, SearchHit::getSequence), List.of(1L));
    check(hits.get(0).getSnippet().contains("<mark>résumé</mark>"), hits.get(0).getSnippet());
    APISearchMessagesRequest.Builder byMeaning =
        APISearchMessagesRequest.newBuilder().q("resum* mean").mode(SearchMode.HYBRID).sessionId(id(session));
    List<Long> similar = each(search.searchMessages(byMeaning.build()), SearchHit::getSequence);
    check(similar.contains(1L), "A search by meaning does not find the first message.");
    List<SearchSuggestion> suggestions =
        search.suggestSearches(APISuggestSearchesRequest.newBuilder().q("resmue").build());
    equal(each(suggestions, SearchSuggestion::getQ), List.of("resume"));
    CleanUpRequest body = new CleanUpRequest().olderThanDays(1).status(List.of(SessionStatus.ACTIVE));
    DeletionReport old =
        sessions.cleanUpSessions(APICleanUpSessionsRequest.newBuilder().cleanUpRequest(body).build());
    equal(List.of(old.getDryRun(), old.getSessions()), List.of(true, 0L));
    SessionFilter filter = new SessionFilter().ids(List.of(session.getId())).roots(true);
    DeletionReport found =
        sessions.deleteSessions(
            APIDeleteSessionsRequest.newBuilder().sessionDeletion(new SessionDeletion().filter(filter)).build());
    equal(List.of(found.getDryRun(), found.getSessionIds()), List.of(true, List.of(session.getId())));
  }

  private void fork() throws Exception {
    ForkSessionRequest body = new ForkSessionRequest().atSequence(1L).name("Branch");
    Session fork =
        sessions.forkSession(
            APIForkSessionRequest.newBuilder().sessionId(id(session)).forkSessionRequest(body).build());
    equal(fork.getParentSessionId(), session.getId());
    equal(fork.getMessageCount(), 1L);
    List<SessionSummary> children =
        sessions
            .getSessionLineage(APIGetSessionLineageRequest.newBuilder().sessionId(id(session)).build())
            .getChildren();
    equal(each(children, SessionSummary::getId), List.of(fork.getId()));
    Session ended =
        sessions.completeSession(APICompleteSessionRequest.newBuilder().sessionId(id(fork)).build());
    equal(ended.getStatus(), SessionStatus.COMPLETED);
    Problem problem = refused(409, () -> send(fork, MESSAGES.get(0)));
    check(problem.getDetail().endsWith("resume it first"), problem.getDetail());
    remove(id(fork));
  }

  private Session read(String id) throws ApiException {
    return sessions.getSession(APIGetSessionRequest.newBuilder().sessionId(id).build());
  }

  private Message send(Session session, SendMessageRequest body) throws ApiException {
    return messages.sendMessage(
        APISendMessageRequest.newBuilder().sessionId(id(session)).sendMessageRequest(body).build());
  }

  private void remove(String id) throws ApiException {
    sessions.deleteSession(APIDeleteSessionRequest.newBuilder().sessionId(id).build());
  }

  private void readOddities() throws Exception {
    List<SessionSummary> summaries =
        sessions.listSessions(APIListSessionsRequest.newBuilder().name("Oddity").build());
    check(summaries.size() > 1, "No oddities were found.");
    for (SessionSummary summary : summaries) {
      String id = summary.getId().toString();
      Transcript transcript = messages.listMessages(APIListMessagesRequest.newBuilder().sessionId(id).build());
      Message message = transcript.getMessages().get(0);
      equal(message.getMetadata(), read(id).getContext());
      equal(message.getContent(), "\0\u2028\ufeff\u202e\ud83d\ude00");
    }
  }

  private void readNobody() throws Exception {
    Problem problem = refused(404, () -> read(NOBODY));
    equal(problem.getDetail(), "Session " + NOBODY + " not found");
  }

  private void breakSchema() throws Exception {
    // The only schema violation that all languages allow: one metadata member too many.
    Map<String, Object> metadata =
        IntStream.range(0, 1025).boxed().collect(Collectors.toMap(String::valueOf, Function.identity()));
    SendMessageRequest body = new SendMessageRequest().content("").metadata(metadata);
    Problem problem = refused(422, () -> send(session, body));
    equal(each(problem.getErrors(), SchemaViolation::getPointer), List.of("/metadata"));
  }

  private void delete() throws Exception {
    remove(id(session));
    Problem problem = refused(404, () -> read(id(session)));
    equal(problem.getDetail(), "Session " + id(session) + " not found");
  }

  private void askDaemon() throws Exception {
    equal(service.getLive().getStatus(), LivenessStatus.ALIVE);
    equal(service.getHealth().getStatus(), HealthStatus.HEALTHY);
    equal(service.getStatus().getStatus(), ServiceState.RUNNING);
  }

  private Problem refused(int status, Play play) throws Exception {
    try {
      play.play();
    } catch (ApiException refusal) {
      equal(refusal.getCode(), status);
      Problem problem = client.getObjectMapper().readValue(refusal.getResponseBody(), Problem.class);
      equal(problem.getStatus(), status);
      return problem;
    }
    throw new IllegalStateException("The daemon did not refuse with " + status + ".");
  }

  private static String id(Session session) {
    return session.getId().toString();
  }

  private static <T, R> List<R> each(List<T> items, Function<T, R> property) {
    return items.stream().map(property).collect(Collectors.toList());
  }

  private static void equal(Object found, Object expected) {
    check(Objects.equals(found, expected), found + " came where " + expected + " was expected.");
  }

  private static void check(boolean holds, String sentence) {
    if (!holds) {
      throw new IllegalStateException(sentence);
    }
  }

  private static void step(String name, Play play) {
    try {
      play.play();
    } catch (Exception error) {
      System.err.println("The step “" + name + "” failed: " + error.getMessage());
      System.exit(1);
    }
  }

  private interface Play {
    void play() throws Exception;
  }
}
