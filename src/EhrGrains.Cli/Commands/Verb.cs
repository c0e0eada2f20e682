using System.CommandLine;
using EhrGrains.Cli.Results;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary>
/// A command that does something: a function from its arguments to a result, and how people see that result. Scripts see it as
/// JSON of the same type.
/// </summary>
internal sealed class Verb(string name, string description) : Command(name, description)
{
    /// <summary>The type of the result, for the reference; null: FHIR, as it came.</summary>
    internal Type? Result { get; private set; }

    /// <summary>Whether there is a result a line, rather than one.</summary>
    internal bool IsStream { get; private set; }

    /// <summary>Prints what comes of it.</summary>
    /// <param name="run">Does it.</param>
    /// <param name="show">What people see.</param>
    /// <param name="exit">How the command ends; 0 where nothing is said.</param>
    /// <param name="wait">An option that makes it wait for something long: then it has no limit in time unless one is given.</param>
    internal Verb Answers<T>(Func<Invocation, Task<T>> run, Func<T, IRenderable> show, Func<T, ExitCode>? exit = null, Option<bool>? wait = null)
    {
        Result = typeof(T);
        SetAction((arguments, cancellationToken) => Invocation.RunAsync(
            arguments,
            async invocation =>
            {
                var result = await run(invocation);
                invocation.Output.Write(result, show);
                return exit?.Invoke(result) ?? ExitCode.Ok;
            },
            cancellationToken,
            isLimited: wait is null || !arguments.GetValue(wait)));
        return this;
    }

    /// <summary>Prints a line for each <typeparamref name="T"/> as it comes; see <see cref="Output.WriteLine{T}"/>.</summary>
    internal Verb Streams<T>(Func<Invocation, Task<ExitCode>> run)
    {
        Result = typeof(T);
        IsStream = true;
        return Runs(run);
    }

    /// <summary>The same for a command that ends when the user ends it: it has no limit in time unless one is given.</summary>
    internal Verb StreamsUntilStopped<T>(Func<Invocation, Task<ExitCode>> run)
    {
        Result = typeof(T);
        IsStream = true;
        SetAction((arguments, cancellationToken) => Invocation.RunAsync(arguments, run, cancellationToken, isLimited: false));
        return this;
    }

    internal Verb Runs(Func<Invocation, Task<ExitCode>> run)
    {
        SetAction((arguments, cancellationToken) => Invocation.RunAsync(arguments, run, cancellationToken));
        return this;
    }
}
