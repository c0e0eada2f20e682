using System.Reflection;
using System.Runtime.InteropServices;
using EhrGrains.Cli.Results;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains version</c>.</summary>
internal static class VersionCommand
{
    internal static Verb Build() => new Verb("version", "Shows versions of this program, Orleans and the runtime.").Answers(
        _ => Task.FromResult(new Versions(
            Of(typeof(VersionCommand).Assembly), Of(typeof(IClusterClient).Assembly), RuntimeInformation.FrameworkDescription)),
        versions => Tables.Facts(("ehrgrains", versions.Ehrgrains), ("orleans", versions.Orleans), ("runtime", versions.Runtime)));

    private static string Of(Assembly assembly) =>
        (assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown").Split('+', '-', ' ')[0].TrimEnd('.');
}

/// <summary>Versions.</summary>
internal sealed record Versions(string Ehrgrains, string Orleans, string Runtime);
