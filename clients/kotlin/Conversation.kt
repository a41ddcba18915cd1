import amplifierd.apis.CollectionsApi
import amplifierd.apis.DirectoriesApi
import amplifierd.apis.EventsApi
import amplifierd.apis.FilesApi
import amplifierd.apis.MessagesApi
import amplifierd.apis.ModulesApi
import amplifierd.apis.PlansApi
import amplifierd.apis.ProfilesApi
import amplifierd.apis.SearchApi
import amplifierd.apis.ServiceApi
import amplifierd.apis.SessionsApi
import amplifierd.apis.TransferApi
import amplifierd.auth.HttpBearerAuth
import amplifierd.infrastructure.ApiClient
import amplifierd.infrastructure.Serializer
import amplifierd.infrastructure.getErrorResponse
import amplifierd.infrastructure.registerTypeAdapterFactoryForAllModels
import amplifierd.models.AgentOverlay
import amplifierd.models.CleanUpRequest
import amplifierd.models.CreateCollectionRequest
import amplifierd.models.CreateDirectoryRequest
import amplifierd.models.CreateProfileRequest
import amplifierd.models.CreateSessionRequest
import amplifierd.models.FilePart
import amplifierd.models.FilePartType
import amplifierd.models.ForkSessionRequest
import amplifierd.models.HealthStatus
import amplifierd.models.KernelPlan
import amplifierd.models.LivenessStatus
import amplifierd.models.Message
import amplifierd.models.MessagePatch
import amplifierd.models.ModuleConfig
import amplifierd.models.ModuleScope
import amplifierd.models.ModuleSource
import amplifierd.models.ModuleSourceRequest
import amplifierd.models.ModuleType
import amplifierd.models.MountPlan
import amplifierd.models.MountPlanRequest
import amplifierd.models.OnConflict
import amplifierd.models.Part
import amplifierd.models.PlanForm
import amplifierd.models.Problem
import amplifierd.models.Role
import amplifierd.models.SearchMode
import amplifierd.models.SendMessageRequest
import amplifierd.models.ServiceState
import amplifierd.models.Session
import amplifierd.models.SessionDeletion
import amplifierd.models.SessionFilter
import amplifierd.models.SessionStatus
import amplifierd.models.TextPart
import amplifierd.models.TextPartType
import amplifierd.models.ToolCallPart
import amplifierd.models.ToolCallPartType
import amplifierd.models.UsageRequest
import com.google.gson.JsonParser
import com.google.gson.Strictness
import com.google.gson.ToNumberPolicy
import java.io.File
import java.lang.reflect.Type
import java.time.OffsetDateTime
import java.util.UUID
import kotlin.system.exitProcess
import okhttp3.OkHttpClient
import okhttp3.RequestBody
import okhttp3.RequestBody.Companion.asRequestBody
import retrofit2.Call
import retrofit2.Converter
import retrofit2.Retrofit
import retrofit2.converter.gson.GsonConverterFactory
import retrofit2.converter.scalars.ScalarsConverterFactory

// Runs a whole conversation against the daemon whose base URL is the first argument, with the key that is the second,
// through the generated classes.

private const val NOBODY = "non-existent-session-id"
private const val PROFILE = "clients/base"
private const val DIRECTORY = "projects/atlas"
private val NEXT = Regex("<[^>]*[?&]cursor=([^&>]+)[^>]*>; rel=\"next\"")
private val PICTURE = byteArrayOf(0x89.toByte(), 'P'.code.toByte(), 'N'.code.toByte(), 'G'.code.toByte(), 0, -1, 10)
private val MESSAGES =
    listOf(
        SendMessageRequest(content = "What does “résumé” mean?", metadata = mapOf("source" to "clients")),
        SendMessageRequest(content = "A summary.", role = Role.ASSISTANT),
        SendMessageRequest(content = "{\"found\": true}", role = Role.TOOL),
    )
// Unless it is told otherwise, Gson reads each number in metadata as a double, and refuses one with 64 zeros after its
// digits.
private val JSON =
    registerTypeAdapterFactoryForAllModels(Serializer.gsonBuilder)
        .setObjectToNumberStrategy(ToNumberPolicy.LONG_OR_DOUBLE)
        .setStrictness(Strictness.LENIENT)

/** Sends a file as its bytes; the generated client would send it as JSON. */
private object Files : Converter.Factory() {
    override fun requestBodyConverter(
        type: Type,
        parameterAnnotations: Array<out Annotation>,
        methodAnnotations: Array<out Annotation>,
        retrofit: Retrofit,
    ): Converter<*, RequestBody>? =
        if (type == File::class.java) Converter<File, RequestBody> { it.asRequestBody() } else null
}

private class Unexpected(sentence: String) : Exception(sentence)

private class Conversation(baseUrl: String, key: String?) {
    private val http = OkHttpClient.Builder().apply { key?.let { addInterceptor(HttpBearerAuth("bearer", it)) } }
    private val client =
        ApiClient(
            baseUrl,
            http,
            JSON,
            converterFactories = listOf(Files, ScalarsConverterFactory.create(), GsonConverterFactory.create(JSON.create())),
        )
    private val collections = client.createService(CollectionsApi::class.java)
    private val directories = client.createService(DirectoriesApi::class.java)
    private val events = client.createService(EventsApi::class.java)
    private val files = client.createService(FilesApi::class.java)
    private val messages = client.createService(MessagesApi::class.java)
    private val modules = client.createService(ModulesApi::class.java)
    private val plans = client.createService(PlansApi::class.java)
    private val profiles = client.createService(ProfilesApi::class.java)
    private val search = client.createService(SearchApi::class.java)
    private val service = client.createService(ServiceApi::class.java)
    private val sessions = client.createService(SessionsApi::class.java)
    private val transfer = client.createService(TransferApi::class.java)
    private lateinit var session: Session

    fun play() {
        step("create a profile and a directory") { prepare() }
        step("read collections") { readCollections() }
        step("run with a collection") { runWithCollection() }
        step("create a session") { session = open() }
        step("read it back") { equal(read(session.id), session) }
        step("send three messages") { sendMessages() }
        step("follow the session") { follow() }
        step("send parts") { sendParts() }
        step("correct and delete a message") { correctMessage() }
        step("send a file") { sendFile() }
        step("keep own ids, times and labels") { keepOwnFacts() }
        step("read the transcript and its pages") { readTranscript() }
        step("export the session and import it") { exportAndImport() }
        step("list sessions page by page") { listSessions() }
        step("resume the session") { resume() }
        step("search, and look for old sessions") { search() }
        step("fork the session and end its branch") { fork() }
        step("read what few send") { readOddities() }
        step("read a session that does not exist") { readNobody() }
        step("send a message that breaks the schema") { breakSchema() }
        step("delete what was created") { tidyUp() }
        step("ask for health and status") { askDaemon() }
    }

    private fun prepare() {
        val provider = ModuleConfig("provider", config = mapOf("limit" to 7L))
        val profile = answered(profiles.createProfile(CreateProfileRequest(PROFILE, providers = listOf(provider))))
        equal(listOf(profile.name, profile.schemaVersion, profile.providers), listOf(PROFILE, 2, listOf(provider)))
        // No collection has the module; only the response to a write reports it.
        equal(profile.warnings?.map { it.pointer }, listOf("/providers/0"))
        equal(answered(profiles.getProfile(PROFILE)), profile.copy(warnings = null))
        val body = CreateDirectoryRequest(DIRECTORY, defaultProfile = PROFILE)
        val directory = answered(directories.createAmplifiedDirectory(body))
        equal(listOf(directory.relativePath, directory.defaultProfileFrom), listOf(DIRECTORY, DIRECTORY))
        equal(answered(directories.getAmplifiedDirectory(DIRECTORY)), directory)
    }

    private fun readCollections() {
        equal(answered(collections.listCollections()), listOf<Any>())
        val body = CreateCollectionRequest("clients/collection", source = "/srv/collection")
        val problem = refused(422, collections.createCollection(body))
        check("--collections-path" in problem.detail, problem.detail)
        refused(404, collections.getCollection(body.identifier))
    }

    private fun runWithCollection() {
        val body = CreateCollectionRequest("clients/collection", source = System.getenv("COLLECTION"))
        val added = answered(collections.createCollection(body))
        equal(added.profiles, listOf("collection/base"))
        equal(added.modules, listOf("collection/tool/bash"))
        equal(answered(collections.getCollection(body.identifier)), added)
        setSourceOfModule("collection/tool/bash")
        makePlans("collection/base")
        done(collections.deleteCollection(body.identifier))
        equal(answered(modules.listModules()), listOf<Any>())
    }

    private fun setSourceOfModule(id: String) {
        val listed = answered(modules.listModules(ModuleType.TOOL))
        equal(listed.map { it.id }, listOf(id))
        equal(answered(modules.listTools()), listed)
        val module = answered(modules.getModule(id))
        equal(listOf(module.name, module.collection), listOf("tool-bash", "clients/collection"))
        val first = ModuleSourceRequest("git+https://example.com/a")
        equal(answered(modules.createModuleSource(id, first)), ModuleSource(id, ModuleScope.PROJECT, first.source))
        refused(409, modules.createModuleSource(id, first))
        val replaced = answered(modules.replaceModuleSource(id, ModuleSourceRequest("git+https://example.com/b")))
        equal(answered(modules.getModule(id)).sources, listOf(replaced))
        done(modules.deleteModuleSource(id))
        refused(404, modules.deleteModuleSource(id))
    }

    private fun makePlans(profile: String) {
        val overlay = mapOf("zen" to AgentOverlay(content = "Be quick."))
        val generated =
            answered(plans.generateMountPlan(MountPlanRequest(profile, agentOverlay = overlay))).actualInstance as MountPlan
        equal(generated.mountPoints.map { it.resolved }, listOf(true, true))
        equal(generated.agents["$profile.agent.zen"]?.content, "Be quick.")
        val opened = answered(sessions.createSession(createSessionRequest = CreateSessionRequest(profile = profile)))
        val plan = answered(plans.getSessionMountPlan(opened.id)).actualInstance as MountPlan
        equal(listOf(plan.session.sessionId, plan.session.createdAt), listOf(opened.id, opened.createdAt))
        equal(plan.agents["$profile.agent.zen"]?.content, "You are calm.")
        val kernel = answered(plans.getSessionMountPlan(opened.id, PlanForm.KERNEL)).actualInstance as KernelPlan
        equal(kernel.tools.map { it.module to it.config }, listOf("tool-bash" to mapOf("timeout" to 9L)))
        remove(opened.id)
    }

    private fun open(): Session {
        val body = CreateSessionRequest(context = mapOf("task" to "clients"), amplifiedDir = DIRECTORY)
        val opened = answered(sessions.createSession(createSessionRequest = body))
        val kept = answered(sessions.getSessionProfile(opened.id))
        equal(listOf(opened.profile, kept.name), listOf(PROFILE, PROFILE))
        equal(
            listOf(opened.context, opened.amplifiedDir, opened.messageCount),
            listOf(body.context, body.amplifiedDir, 0L),
        )
        return opened
    }

    private fun sendMessages() {
        val sent = MESSAGES.map { send(session.id, it) }
        equal(sent.map { it.sequence }, listOf(1L, 2L, 3L))
        equal(sent.map { it.metadata }, MESSAGES.map { it.metadata.orEmpty() })
    }

    private fun follow() {
        // The generated method waits for the end of the stream; its request is sent by a client that does not.
        val request = events.streamSessionEvents(session.id, afterSequence = 0).request()
        val sequences = mutableListOf<Long>()
        http.build().newCall(request).execute().use { response ->
            val lines = generateSequence { response.body.source().readUtf8Line() }
            var kind = ""
            for (line in lines) {
                if (line.startsWith("event: ")) kind = line.removePrefix("event: ")
                if (line.startsWith("data: ") && kind == "message") {
                    sequences += JsonParser.parseString(line.removePrefix("data: ")).asJsonObject["sequence"].asLong
                }
                if (sequences.size == MESSAGES.size) break
            }
        }
        equal(sequences, listOf(1L, 2L, 3L))
    }

    private fun sendParts() {
        val waiting = open()
        val text = TextPart(TextPartType.TEXT, "Let me look.")
        val call = ToolCallPart(ToolCallPartType.TOOL_CALL, "call_1", "weather", "{ \"city\": \"Paris\" }")
        val body =
            SendMessageRequest(
                role = Role.ASSISTANT,
                parts = listOf(Part(text), Part(call)),
                usage = UsageRequest(inputTokens = 120, cost = "0.0042"),
            )
        equal(send(waiting.id, body).content, "Let me look.")
        val transcript = answered(messages.listMessages(waiting.id, openCalls = true))
        equal(transcript.messages.map { it.parts }, listOf(listOf(Part(text), Part(call))))
        val usage = read(waiting.id).usage
        equal(listOf(usage?.inputTokens, usage?.cost, usage?.currency), listOf(120L, "0.0042", "USD"))
        remove(waiting.id)
    }

    private fun correctMessage() {
        val draft = open().id
        send(draft, SendMessageRequest("Helo!", metadata = mapOf("kept" to true)))
        val edited = answered(messages.updateMessage(draft, 1, MessagePatch(mapOf("rating" to 5), "Hello!")))
        equal(listOf(edited.content, edited.version), listOf("Hello!", 2L))
        equal(edited.metadata, mapOf("kept" to true, "rating" to 5L))
        check(edited.editedAt != null, "The message is not marked as edited.")
        equal(refused(412, messages.deleteMessage(draft, 1, "\"1\"")).version, 2L)
        val left = answered(messages.deleteMessage(draft, 1, "\"2\""))
        equal(listOf(left.content, left.version, left.metadata), listOf("", 3L, mapOf<String, Any>()))
        check(left.deletedAt != null, "The message is not marked as deleted.")
        remove(draft)
    }

    private fun sendFile() {
        val file = answered(files.createFile("image/png", "a.png", fileOf(PICTURE)))
        equal(listOf(file.propertySize, file.media, file.name), listOf(PICTURE.size.toLong(), "image/png", "a.png"))
        val showing = open()
        send(showing.id, SendMessageRequest(parts = listOf(Part(FilePart(FilePartType.FILE, file.media, file.url)))))
        check(answered(files.getFile(file.id)).bytes().contentEquals(PICTURE), "The file is another.")
        equal(answered(files.getFile(file.id, "bytes=1-3")).string(), "PNG")
        refused(409, files.deleteFile(file.id))
        remove(showing.id)
        equal(answered(files.listFiles()), listOf<Any>())
    }

    private fun keepOwnFacts() {
        val began = OffsetDateTime.parse("2023-03-01T10:00:00+01:00")
        val labels = mapOf("origin" to "clients", "topic" to "a:b")
        val own = CreateSessionRequest(id = UUID.randomUUID().toString(), createdAt = began, labels = labels)
        val kept = answered(sessions.createSession(createSessionRequest = own))
        equal(listOf(kept.id, kept.createdAt.toInstant(), kept.labels), listOf(own.id, began.toInstant(), labels))
        val body = SendMessageRequest("Hello!", id = "msg_1", timestamp = began)
        equal(send(kept.id, body).timestamp.toInstant(), began.toInstant())
        equal(refused(409, messages.sendMessage(kept.id, body)).sequence, 1L)
        equal(answered(messages.listMessages(kept.id, id = "msg_1")).messages.map { it.sequence }, listOf(1L))
        val listed =
            sessions
                .listSessions(
                    createdAfter = began.minusSeconds(1),
                    createdBefore = began.plusSeconds(1),
                    label = listOf("origin:clients", "topic"),
                    status = listOf(SessionStatus.ACTIVE, SessionStatus.FAILED),
                    archived = false,
                    total = true,
                )
                .execute()
        equal(listed.body()?.map { it.lastMessage?.content }, listOf("Hello!"))
        equal(listed.headers()["X-Total-Count"], "1")
        remove(kept.id)
    }

    private fun readTranscript() {
        val transcript = answered(messages.listMessages(session.id))
        equal(transcript.sessionId, session.id)
        equal(transcript.messages.map { it.role }, listOf(Role.USER, Role.ASSISTANT, Role.TOOL))
        equal(transcript.messages.map { it.content }, MESSAGES.map { it.content })
        val page = answered(messages.listMessages(session.id, limit = 2, beforeSequence = 3))
        equal(page.messages.map { it.sequence }, listOf(1L, 2L))
    }

    private fun exportAndImport() {
        val exported = answered(transfer.exportSession(session.id)).string()
        val report = answered(transfer.importSessions(fileOf(exported.toByteArray()), onConflict = OnConflict.SKIP))
        equal(listOf(report.sessions, report.skipped), listOf(0L, 1L))
        val broken = fileOf(exported.replace("\"sequence\":2", "\"sequence\":\"2\"").toByteArray())
        val problem = refused(422, transfer.importSessions(broken, onConflict = OnConflict.SKIP))
        equal(problem.errors?.first()?.pointer, "/message/sequence")
    }

    private fun listSessions() {
        val second = open()
        val first = sessions.listSessions(limit = 1).execute()
        equal(first.body()?.map { it.id }, listOf(second.id))
        val link = first.headers()["Link"].orEmpty()
        val cursor = NEXT.find(link)?.groupValues?.get(1) ?: throw Unexpected("“$link” has no link to the next page.")
        equal(answered(sessions.listSessions(limit = 1, cursor = cursor)).map { it.id }, listOf(session.id))
        remove(second.id)
    }

    private fun resume() {
        val before = read(session.id)
        val resumed = answered(sessions.resumeSession(session.id))
        equal(resumed.messageCount, 3L)
        check(resumed.updatedAt.isAfter(before.updatedAt), "updatedAt did not move on.")
    }

    private fun search() {
        val hits = answered(search.searchMessages("resum* mean", sessionId = session.id))
        equal(hits.map { it.sequence }, listOf(1L))
        check("<mark>résumé</mark>" in hits[0].snippet, hits[0].snippet)
        val similar = answered(search.searchMessages("resum* mean", mode = SearchMode.HYBRID, sessionId = session.id))
        check(similar.any { it.sequence == 1L }, "A search by meaning does not find the first message.")
        equal(answered(search.suggestSearches("resmue")).map { it.q }, listOf("resume"))
        val old = answered(sessions.cleanUpSessions(CleanUpRequest(1, listOf(SessionStatus.ACTIVE))))
        equal(listOf(old.dryRun, old.sessions), listOf(true, 0L))
        val filter = SessionFilter(ids = listOf(session.id), roots = true)
        val found = answered(sessions.deleteSessions(SessionDeletion(filter)))
        equal(listOf(found.dryRun, found.sessionIds), listOf(true, listOf(session.id)))
    }

    private fun fork() {
        val body = ForkSessionRequest(atSequence = 1, name = "Branch")
        val fork = answered(sessions.forkSession(session.id, forkSessionRequest = body))
        equal(listOf(fork.parentSessionId, fork.messageCount), listOf(session.id, 1L))
        equal(answered(sessions.getSessionLineage(session.id)).children.map { it.id }, listOf(fork.id))
        equal(answered(sessions.completeSession(fork.id)).status, SessionStatus.COMPLETED)
        val problem = refused(409, messages.sendMessage(fork.id, MESSAGES[0]))
        check(problem.detail.endsWith("resume it first"), problem.detail)
        remove(fork.id)
    }

    private fun readOddities() {
        val summaries = answered(sessions.listSessions(name = "Oddity"))
        check(summaries.size > 1, "No oddities were found.")
        for (summary in summaries) {
            val message = answered(messages.listMessages(summary.id)).messages.first()
            equal(message.metadata, read(summary.id).context)
            equal(message.content, "\u0000\u2028\ufeff\u202e\ud83d\ude00")
        }
    }

    private fun readNobody() {
        equal(refused(404, sessions.getSession(NOBODY)).detail, "Session $NOBODY not found")
    }

    private fun breakSchema() {
        // The only schema violation that all languages allow: one metadata member too many.
        val body = SendMessageRequest("", metadata = (0..1024).associateBy { it.toString() })
        val problem = refused(422, messages.sendMessage(session.id, body))
        equal(problem.errors?.map { it.pointer }, listOf("/metadata"))
    }

    private fun tidyUp() {
        remove(session.id)
        equal(refused(404, sessions.getSession(session.id)).detail, "Session ${session.id} not found")
        done(directories.deleteAmplifiedDirectory(DIRECTORY))
        done(profiles.deleteProfile(PROFILE))
        val problem = refused(404, profiles.getProfile(PROFILE))
        check(problem.detail.startsWith("Profile $PROFILE not found"), problem.detail)
    }

    private fun askDaemon() {
        equal(answered(service.getLive()).status, LivenessStatus.ALIVE)
        equal(answered(service.getHealth()).status, HealthStatus.HEALTHY)
        equal(answered(service.getStatus()).status, ServiceState.RUNNING)
    }

    private fun read(id: String): Session = answered(sessions.getSession(id))

    private fun send(id: String, body: SendMessageRequest): Message = answered(messages.sendMessage(id, body))

    private fun remove(id: String) = done(sessions.deleteSession(id))
}

private fun <T : Any> answered(call: Call<T>): T {
    val response = call.execute()
    return response.body() ?: throw Unexpected("${call.request().url}: ${response.code()} ${response.errorBody()?.string()}")
}

private fun done(call: Call<Unit>) = equal(call.execute().code(), 204)

private fun refused(status: Int, call: Call<*>): Problem {
    val response = call.execute()
    equal(response.code(), status)
    val problem = response.getErrorResponse<Problem>(JSON) ?: throw Unexpected("The refusal has no problem body.")
    equal(problem.status, status)
    return problem
}

private fun fileOf(content: ByteArray): File =
    File.createTempFile("conversation", null).apply {
        deleteOnExit()
        writeBytes(content)
    }

private fun equal(found: Any?, expected: Any?) = check(found == expected, "$found came where $expected was expected.")

private fun check(holds: Boolean, sentence: String) {
    if (!holds) throw Unexpected(sentence)
}

private fun step(name: String, play: () -> Unit) {
    try {
        play()
    } catch (error: Exception) {
        System.err.println("The step “$name” failed: $error")
        exitProcess(1)
    }
}

fun main(arguments: Array<String>) {
    Conversation(arguments[0], arguments.getOrNull(1)).play()
    println("conversation passed")
}
