import amplifierd.client.ApiClient;
import amplifierd.client.ApiException;
import amplifierd.client.ApiResponse;
import amplifierd.client.api.MessagesApi;
import amplifierd.client.api.ServiceApi;
import amplifierd.client.api.SessionsApi;
import amplifierd.client.model.CreateSessionRequest;
import amplifierd.client.model.HealthStatus;
import amplifierd.client.model.Message;
import amplifierd.client.model.Problem;
import amplifierd.client.model.Role;
import amplifierd.client.model.SchemaViolation;
import amplifierd.client.model.SendMessageRequest;
import amplifierd.client.model.ServiceState;
import amplifierd.client.model.Session;
import amplifierd.client.model.SessionSummary;
import amplifierd.client.model.Transcript;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Plays a whole conversation against the daemon whose base URL is the argument, through the generated classes. */
public final class Conversation {
  private static final String NOBODY = "non-existent-session-id";
  private static final Pattern NEXT = Pattern.compile("<[^>]*[?&]cursor=([^&>]+)[^>]*>; rel=\"next\"");
  private static final List<SendMessageRequest> MESSAGES =
      List.of(
          new SendMessageRequest().content("What does “résumé” mean?").putMetadataItem("source", "clients"),
          new SendMessageRequest().content("A summary.").role(Role.ASSISTANT),
          new SendMessageRequest().content("{\"found\": true}").role(Role.TOOL));

  private final ApiClient client = new ApiClient();
  private final SessionsApi sessions;
  private final MessagesApi messages;
  private final ServiceApi service;
  private Session session;

  private Conversation(String baseUrl) {
    client.updateBaseUri(baseUrl);
    sessions = new SessionsApi(client);
    messages = new MessagesApi(client);
    service = new ServiceApi(client);
  }

  public static void main(String[] arguments) {
    Conversation conversation = new Conversation(arguments[0]);
    step("create a session", () -> conversation.session = conversation.open());
    step("read it back", conversation::readBack);
    step("send three messages", conversation::sendMessages);
    step("list the transcript", conversation::listTranscript);
    step("page back through the transcript", conversation::pageBack);
    step("list sessions page by page", conversation::listSessions);
    step("resume the session", conversation::resume);
    step("read a session that does not exist", conversation::readNobody);
    step("send a message that breaks the schema", conversation::breakSchema);
    step("delete the session", conversation::delete);
    step("ask for health and status", conversation::askDaemon);
    System.out.println("conversation passed");
  }

  private Session open() throws Exception {
    CreateSessionRequest body =
        new CreateSessionRequest()
            .profile("default")
            .putContextItem("task", "clients")
            .amplifiedDir("projects/atlas");
    Session opened = sessions.createSession(body);
    equal(opened.getContext(), body.getContext());
    equal(opened.getAmplifiedDir(), body.getAmplifiedDir());
    equal(opened.getMessageCount(), 0L);
    return opened;
  }

  private void readBack() throws Exception {
    equal(sessions.getSession(id(session)), session);
  }

  private void sendMessages() throws Exception {
    List<Long> sequences = new ArrayList<>();
    for (SendMessageRequest body : MESSAGES) {
      Message message = messages.sendMessage(id(session), body);
      equal(message.getMetadata(), body.getMetadata());
      sequences.add(message.getSequence());
    }
    equal(sequences, List.of(1L, 2L, 3L));
  }

  private void listTranscript() throws Exception {
    Transcript transcript = messages.listMessages(id(session), null, null, null);
    equal(transcript.getSessionId(), session.getId());
    equal(each(transcript.getMessages(), Message::getRole), List.of(Role.USER, Role.ASSISTANT, Role.TOOL));
    equal(each(transcript.getMessages(), Message::getContent), each(MESSAGES, SendMessageRequest::getContent));
  }

  private void pageBack() throws Exception {
    Transcript page = messages.listMessages(id(session), 2, null, 3L);
    equal(each(page.getMessages(), Message::getSequence), List.of(1L, 2L));
  }

  private void listSessions() throws Exception {
    Session second = open();
    ApiResponse<List<SessionSummary>> first = sessions.listSessionsWithHttpInfo(1, null);
    equal(each(first.getData(), SessionSummary::getId), List.of(second.getId()));
    List<SessionSummary> next = sessions.listSessions(1, nextCursor(first));
    equal(each(next, SessionSummary::getId), List.of(session.getId()));
    sessions.deleteSession(id(second));
  }

  private static String nextCursor(ApiResponse<?> response) {
    List<String> links = response.getHeaders().getOrDefault("link", List.of());
    Matcher next = NEXT.matcher(String.join(", ", links));
    check(next.find(), links + " is no link to the next page.");
    return next.group(1);
  }

  private void resume() throws Exception {
    Session before = sessions.getSession(id(session));
    Session resumed = sessions.resumeSession(id(session));
    equal(resumed.getMessageCount(), 3L);
    check(resumed.getUpdatedAt().isAfter(before.getUpdatedAt()), "updatedAt did not move on.");
  }

  private void readNobody() throws Exception {
    Problem problem = refused(404, () -> sessions.getSession(NOBODY));
    equal(problem.getDetail(), "Session " + NOBODY + " not found");
  }

  private void breakSchema() throws Exception {
    // The one breach that every language's types allow: metadata has one member too many.
    Map<String, Object> metadata =
        IntStream.range(0, 1025).boxed().collect(Collectors.toMap(String::valueOf, Function.identity()));
    SendMessageRequest body = new SendMessageRequest().content("").metadata(metadata);
    Problem problem = refused(422, () -> messages.sendMessage(id(session), body));
    equal(each(problem.getErrors(), SchemaViolation::getPointer), List.of("/metadata"));
  }

  private void delete() throws Exception {
    sessions.deleteSession(id(session));
    Problem problem = refused(404, () -> sessions.getSession(id(session)));
    equal(problem.getDetail(), "Session " + id(session) + " not found");
  }

  private void askDaemon() throws Exception {
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
