// Stands in for two libraries that the generated code names and does not use: JsonSubTypes, for classes that inherit, and
// Polly, for retries.

namespace JsonSubTypes
{
    internal static class Unused
    {
    }
}

namespace Polly
{
    using System;
    using System.Threading.Tasks;

    public enum OutcomeType
    {
        Successful,
        Failure,
    }

    public interface ISyncPolicy<T>
    {
    }

    public interface IAsyncPolicy<T>
    {
        Task<PolicyResult<T>> ExecuteAndCaptureAsync(Func<Task<T>> action);
    }

    public sealed class PolicyResult<T>
    {
        public OutcomeType Outcome { get; set; }

        public T Result { get; set; }

        public Exception FinalException { get; set; }
    }
}
