package dev.tierwise.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.tierwise.client.testing.FakeServer;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

class PagesTest {
    @TempDir Path folder;

    private static List<String> programs() {
        return Pattern.compile("(?ms)^```java\n(.*?)^```")
                .matcher(Pages.text(Path.of("README.md")))
                .results()
                .map(block -> block.group(1))
                .toList();
    }

    /** Runs a program as a user would, with or without OpenTelemetry beside it. */
    private String said(String program, FakeServer server, boolean telemetry)
            throws IOException, InterruptedException {
        Path file = Files.writeString(folder.resolve("Main.java"), program);
        Path output = folder.resolve("output");
        String classes =
                Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                        .filter(entry -> telemetry || !entry.contains("opentelemetry"))
                        .collect(Collectors.joining(File.pathSeparator));
        ProcessBuilder java =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-cp",
                                classes,
                                file.toString())
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile());
        java.environment().put("TIERWISE_ENDPOINT", server.endpoint());
        int status = java.start().waitFor();
        String said = Files.readString(output);
        assertEquals(0, status, said);
        return said;
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    @Timeout(60)
    void programOfThePageRuns(boolean telemetry) throws IOException, InterruptedException {
        assertFalse(programs().isEmpty());
        try (FakeServer server = FakeServer.start()) {
            for (String program : programs()) {
                String said = said(program, server, telemetry);
                assertTrue(said.contains("Hello from the fake server."), said);
            }
        }
    }

    @Test
    void everyNameOfTheParityTableIsHere() {
        String page = Pages.clients();
        String table = page.split("\n## Parity\n", 2)[1].split("\n## ", 2)[0];
        List<String[]> rows =
                table.lines()
                        .filter(line -> line.startsWith("| ") || line.startsWith("|-"))
                        .map(line -> line.split("\\|", -1))
                        .toList();
        int column = Arrays.stream(rows.get(0)).map(String::strip).toList().indexOf("Java");
        assertTrue(column > 0, "the table has no column for Java");
        for (String[] row : rows.subList(2, rows.size())) {
            List<String> names =
                    Pattern.compile("`([^`]+)`")
                            .matcher(row[column])
                            .results()
                            .map((MatchResult name) -> name.group(1))
                            .toList();
            assertFalse(names.isEmpty(), "nothing for" + row[1]);
            names.forEach(name -> assertTrue(exists(name), "there is no " + name));
        }
        assertTrue(rows.size() > 20, "the table is too short");
    }

    /** Returns whether this is a class of ours, or a member as Class.member. */
    private static boolean exists(String name) {
        int dot = name.lastIndexOf('.');
        return isClass(
                        name.replaceAll("\\.(?=[A-Z])", "\\$")
                                .replaceFirst("^testing\\$", "testing."))
                || dot > 0 && hasMember(name.substring(0, dot), name.substring(dot + 1));
    }

    private static boolean isClass(String name) {
        try {
            Class.forName("dev.tierwise.client." + name);
            return true;
        } catch (ClassNotFoundException none) {
            return false;
        }
    }

    private static boolean hasMember(String type, String member) {
        try {
            Class<?> owner = Class.forName("dev.tierwise.client." + type);
            return Stream.concat(
                            Arrays.stream(owner.getMethods()), Arrays.stream(owner.getFields()))
                    .anyMatch(found -> ((java.lang.reflect.Member) found).getName().equals(member));
        } catch (ClassNotFoundException none) {
            return false;
        }
    }

    @Test
    void dependencyThatThePageShowsIsThisClient() {
        assertEquals(coordinates("pom.xml"), coordinates("README.md"));
        assertEquals(Client.VERSION, coordinates("pom.xml").get(2));
    }

    /** Returns the first group, artifact and version that a file names. */
    private static List<String> coordinates(String file) {
        Matcher named =
                Pattern.compile(
                                "<groupId>(.*)</groupId>\\s*<artifactId>(.*)</artifactId>\\s*"
                                        + "<version>(.*)</version>")
                        .matcher(Pages.text(Path.of(file)));
        assertTrue(named.find(), file);
        return List.of(named.group(1), named.group(2), named.group(3));
    }
}
