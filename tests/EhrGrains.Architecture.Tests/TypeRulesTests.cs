using System.Reflection;
using System.Runtime.CompilerServices;
using EhrGrains.Contracts.Callers;

namespace EhrGrains.Architecture.Tests;

/// <summary>What can be said of the compiled types: sealed, few interfaces, guarded grain methods, pinned grain types.</summary>
public sealed class TypeRulesTests
{
    private static readonly Assembly[] Ours =
        [.. new[] { "EhrGrains.Contracts", "EhrGrains.Fhir", "EhrGrains.Connect", "EhrGrains.Storage", "EhrGrains.Grains", "EhrGrains.Silo",
            "ehrgrains", "EhrGrains.Sandbox", "EhrGrains.Demo" }.Select(Assembly.Load)];

    private static readonly Type[] Types = [.. Ours.SelectMany(assembly => assembly.GetTypes()).Where(IsWritten)];

    [Fact]
    public void Classes_are_sealed_static_or_abstract() => Unsealed(Types).ShouldBeEmpty();

    [Fact]
    public void An_open_class_is_found() => Unsealed([typeof(OpenClass)]).ShouldHaveSingleItem();

    [Fact]
    public void Interfaces_are_grains_or_have_two_implementations() => LonelyInterfaces(Types).ShouldBeEmpty();

    [Fact]
    public void A_lonely_interface_is_found() => LonelyInterfaces([typeof(ILonely), typeof(OnlyOne)]).ShouldHaveSingleItem();

    [Fact]
    public void Every_grain_method_states_what_it_asks_of_its_caller() => UnguardedMethods(GrainInterfaces()).ShouldBeEmpty();

    [Fact]
    public void An_unguarded_grain_method_is_found() => UnguardedMethods([typeof(IUnguarded)]).ShouldHaveSingleItem();

    [Fact]
    public void Every_grain_method_can_be_cancelled() =>
        GrainInterfaces().SelectMany(type => type.GetMethods())
            .Where(method => method.GetParameters().LastOrDefault()?.ParameterType != typeof(CancellationToken))
            .Select(method => $"{method.DeclaringType!.Name}.{method.Name}")
            .ShouldBeEmpty();

    [Fact]
    public void Every_grain_class_pins_its_grain_type() =>
        Types.Where(type => type.IsClass && !type.IsAbstract && typeof(IGrain).IsAssignableFrom(type) && !type.Name.StartsWith("Proxy_", StringComparison.Ordinal))
            .Where(type => type.GetCustomAttribute<GrainTypeAttribute>() is null)
            .Select(type => type.FullName)
            .ShouldBeEmpty();

    [Fact]
    public void There_are_grains_to_check() => GrainInterfaces().Count().ShouldBeGreaterThan(5);

    private static IEnumerable<Type> GrainInterfaces() =>
        Types.Where(type => type.IsInterface && typeof(IGrain).IsAssignableFrom(type));

    private static IReadOnlyList<string?> Unsealed(IEnumerable<Type> types) =>
        [.. types.Where(type => type.IsClass && !type.IsSealed && !type.IsAbstract).Select(type => type.FullName)];

    private static IReadOnlyList<string?> LonelyInterfaces(IReadOnlyCollection<Type> types) =>
        [.. types.Where(type => type.IsInterface && !typeof(IGrain).IsAssignableFrom(type))
            .Where(type => types.Count(other => other.IsClass && !other.IsAbstract && type.IsAssignableFrom(other)) < 2)
            .Select(type => type.FullName)];

    private static IReadOnlyList<string> UnguardedMethods(IEnumerable<Type> grains) =>
        [.. grains.SelectMany(type => type.GetMethods())
            .Where(method => method.GetCustomAttribute<RequiresAttribute>() is null)
            .Select(method => $"{method.DeclaringType!.Name}.{method.Name}")];

    private static bool IsWritten(Type type) =>
        type.Namespace?.StartsWith("EhrGrains", StringComparison.Ordinal) == true
        && !type.IsDefined(typeof(CompilerGeneratedAttribute))
        && !type.IsDefined(typeof(System.CodeDom.Compiler.GeneratedCodeAttribute))
        && !(type.DeclaringType?.IsDefined(typeof(System.CodeDom.Compiler.GeneratedCodeAttribute)) ?? false)
        && !type.Name.Contains('<', StringComparison.Ordinal);

    private class OpenClass;

    private interface ILonely;

    private sealed class OnlyOne : ILonely;

    private interface IUnguarded
    {
        Task AskAsync(CancellationToken cancellationToken);
    }
}
